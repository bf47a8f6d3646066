//! STUN messages that we build are read back, signed and whole.

use core::net::SocketAddr;
use proptest::prelude::*;
use wire::stun::{Builder, Class, IntegrityKey, Message, Method, TransactionId};

proptest! {
    #[test]
    fn binding_request(
        transaction in any::<[u8; 12]>(),
        username in "[a-zA-Z0-9+/]{4,40}:[a-zA-Z0-9+/]{4,40}",
        password in prop::collection::vec(any::<u8>(), 0..100),
        priority in any::<u32>(),
        tie_breaker in any::<u64>(),
        nominate in any::<bool>(),
    ) {
        let key = IntegrityKey::new(&password);
        let mut out = vec![1; 7];
        let id = TransactionId(transaction);
        let builder = Builder::new(&mut out, Class::Request, Method::BINDING, id)
            .username(&username)
            .priority(priority)
            .ice_controlled(tie_breaker);
        let builder = if nominate { builder.use_candidate() } else { builder };
        builder.integrity(&key).fingerprint();
        let message = Message::parse(&out).unwrap();
        prop_assert_eq!(message.transaction, id);
        prop_assert_eq!(message.username(), Some(&username[..]));
        prop_assert_eq!(message.priority(), Some(priority));
        prop_assert_eq!(message.ice_controlled(), Some(tie_breaker));
        prop_assert_eq!(message.use_candidate(), nominate);
        prop_assert!(message.check_integrity(&key));
        prop_assert_eq!(message.check_fingerprint(), Some(true));
    }

    #[test]
    fn binding_response(transaction in any::<[u8; 12]>(), address in any::<SocketAddr>()) {
        let mut out = Vec::new();
        Builder::new(&mut out, Class::Success, Method::BINDING, TransactionId(transaction))
            .xor_mapped_address(address)
            .fingerprint();
        let message = Message::parse(&out).unwrap();
        let back = message.xor_mapped_address().unwrap();
        prop_assert_eq!((back.ip(), back.port()), (address.ip(), address.port()));
    }
}
