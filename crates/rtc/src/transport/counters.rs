//! Counters of dropped datagrams by reason.

use crate::ice::Rejected;
use crate::srtp::OpenError;

/// Why a datagram was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// Neither STUN, DTLS, RTP nor RTCP (RFC 7983 section 7).
    UnknownKind,
    /// The transport is closed or has failed.
    Closed,
    /// Malformed STUN message.
    StunMalformed,
    /// STUN with a wrong FINGERPRINT.
    StunBadFingerprint,
    /// Neither a Binding request nor the response to a pending one.
    StunUnexpected,
    /// STUN for another username fragment than the local one.
    StunUnknownUfrag,
    /// STUN without MESSAGE-INTEGRITY.
    StunNoIntegrity,
    /// STUN with wrong MESSAGE-INTEGRITY.
    StunBadIntegrity,
    /// STUN with an unknown comprehension-required attribute.
    StunUnknownAttribute,
    /// STUN that claims the local ICE role.
    StunRoleConflict,
    /// STUN response from another address than that of the request.
    StunAsymmetric,
    /// DTLS from a path that ICE has not validated.
    DtlsUnvalidatedPath,
    /// SRTP or SRTCP from a path that ICE has not validated.
    SrtpUnvalidatedPath,
    /// SRTP or SRTCP before DTLS is connected.
    SrtpBeforeKeys,
    /// Malformed RTP or RTCP packet, or too short for its authentication tag.
    SrtpMalformed,
    /// Replayed SRTP or SRTCP packet.
    SrtpReplayed,
    /// SRTP or SRTCP older than the replay window.
    SrtpTooOld,
    /// SRTP or SRTCP whose authentication tag is wrong.
    SrtpBadTag,
    /// Unencrypted SRTCP, where the profile encrypts.
    SrtpNotEncrypted,
    /// Too many SSRCs of one peer.
    SrtpTooManyStreams,
}

impl DropReason {
    /// All reasons, in the order of their counters.
    pub const ALL: [Self; 20] = [
        Self::UnknownKind,
        Self::Closed,
        Self::StunMalformed,
        Self::StunBadFingerprint,
        Self::StunUnexpected,
        Self::StunUnknownUfrag,
        Self::StunNoIntegrity,
        Self::StunBadIntegrity,
        Self::StunUnknownAttribute,
        Self::StunRoleConflict,
        Self::StunAsymmetric,
        Self::DtlsUnvalidatedPath,
        Self::SrtpUnvalidatedPath,
        Self::SrtpBeforeKeys,
        Self::SrtpMalformed,
        Self::SrtpReplayed,
        Self::SrtpTooOld,
        Self::SrtpBadTag,
        Self::SrtpNotEncrypted,
        Self::SrtpTooManyStreams,
    ];

    /// Return the reason code for metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownKind => "unknown_kind",
            Self::Closed => "closed",
            Self::StunMalformed => "stun_malformed",
            Self::StunBadFingerprint => "stun_bad_fingerprint",
            Self::StunUnexpected => "stun_unexpected",
            Self::StunUnknownUfrag => "stun_unknown_ufrag",
            Self::StunNoIntegrity => "stun_no_integrity",
            Self::StunBadIntegrity => "stun_bad_integrity",
            Self::StunUnknownAttribute => "stun_unknown_attribute",
            Self::StunRoleConflict => "stun_role_conflict",
            Self::StunAsymmetric => "stun_asymmetric",
            Self::DtlsUnvalidatedPath => "dtls_unvalidated_path",
            Self::SrtpUnvalidatedPath => "srtp_unvalidated_path",
            Self::SrtpBeforeKeys => "srtp_before_keys",
            Self::SrtpMalformed => "srtp_malformed",
            Self::SrtpReplayed => "srtp_replayed",
            Self::SrtpTooOld => "srtp_too_old",
            Self::SrtpBadTag => "srtp_bad_tag",
            Self::SrtpNotEncrypted => "srtp_not_encrypted",
            Self::SrtpTooManyStreams => "srtp_too_many_streams",
        }
    }
}

impl From<Rejected> for DropReason {
    fn from(rejected: Rejected) -> Self {
        match rejected {
            Rejected::Malformed => Self::StunMalformed,
            Rejected::BadFingerprint => Self::StunBadFingerprint,
            Rejected::Unexpected => Self::StunUnexpected,
            Rejected::UnknownUfrag => Self::StunUnknownUfrag,
            Rejected::NoIntegrity => Self::StunNoIntegrity,
            Rejected::BadIntegrity => Self::StunBadIntegrity,
            Rejected::UnknownAttribute => Self::StunUnknownAttribute,
            Rejected::RoleConflict => Self::StunRoleConflict,
            Rejected::Asymmetric => Self::StunAsymmetric,
        }
    }
}

impl From<OpenError> for DropReason {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Truncated => Self::SrtpMalformed,
            OpenError::Replayed => Self::SrtpReplayed,
            OpenError::TooOld => Self::SrtpTooOld,
            OpenError::BadTag => Self::SrtpBadTag,
            OpenError::NotEncrypted => Self::SrtpNotEncrypted,
            OpenError::TooManyStreams => Self::SrtpTooManyStreams,
        }
    }
}

/// Counters of dropped datagrams by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops([u64; DropReason::ALL.len()]);

impl Drops {
    /// Add one.
    pub fn count(&mut self, reason: DropReason) {
        self.0[reason as usize] += 1;
    }

    /// Return how many were dropped for a reason.
    #[must_use]
    pub const fn of(&self, reason: DropReason) -> u64 {
        self.0[reason as usize]
    }

    /// Return how many were dropped in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Iterate over the reasons with their counts, without zeros.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> + use<'_> {
        let counted = DropReason::ALL.into_iter().zip(self.0);
        counted.filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_index() {
        for (index, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index, "{}", reason.name());
        }
    }

    #[test]
    fn counted_reasons_are_listed() {
        let mut drops = Drops::default();
        drops.count(DropReason::SrtpBadTag);
        drops.count(DropReason::SrtpBadTag);
        assert!(drops.iter().eq([(DropReason::SrtpBadTag, 2)]));
        assert_eq!((drops.of(DropReason::SrtpReplayed), drops.total()), (0, 2));
    }
}
