//! Checks written by hand, for what well-behaved peers never send.

use rtc::ice::Credentials;
use wire::stun::{Builder, Class, IntegrityKey, Method, TransactionId};

/// A Binding request towards `local` as a controlling peer makes it.
pub struct Check<'a> {
    pub local: &'a Credentials,
    pub transaction: u8,
    pub nominates: bool,
    pub is_controlled: bool,
    pub unknown_attribute: bool,
    pub is_signed: bool,
}

impl<'a> Check<'a> {
    pub fn of(local: &'a Credentials) -> Self {
        Self {
            local,
            transaction: 7,
            nominates: false,
            is_controlled: false,
            unknown_attribute: false,
            is_signed: true,
        }
    }

    pub fn nominating(local: &'a Credentials) -> Self {
        let nominates = true;
        Self {
            nominates,
            ..Self::of(local)
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let transaction = TransactionId([self.transaction; 12]);
        let mut message = Builder::new(&mut out, Class::Request, Method::BINDING, transaction)
            .username(&format!("{}:peer", self.local.ufrag))
            .priority(1);
        message = match self.is_controlled {
            true => message.ice_controlled(1),
            false => message.ice_controlling(1),
        };
        if self.nominates {
            message = message.use_candidate();
        }
        if self.unknown_attribute {
            message = message.attribute(0x7007, b"what");
        }
        match self.is_signed {
            true => message.integrity(&key(self.local)).fingerprint(),
            false => message.fingerprint(),
        }
        out
    }
}

pub fn key(credentials: &Credentials) -> IntegrityKey {
    IntegrityKey::new(credentials.pwd.as_bytes())
}
