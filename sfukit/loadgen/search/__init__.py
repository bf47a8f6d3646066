"""The search for the largest load that passes the gates."""
