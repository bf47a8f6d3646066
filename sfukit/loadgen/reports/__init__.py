"""A finished load test in other forms: HTML, JUnit, Markdown, CSV; and two of them compared."""
