//! Permissions and channels of an allocation (RFC 8656 sections 9 and 12).

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use wire::time::Time;

/// Peers beyond this number are not reached: a session description decides how many it lists.
const MAX_PEERS: usize = 16;
/// A permission lasts 300 s.
const RENEW_PERMISSION: Duration = Duration::from_secs(240);
/// A channel lasts 600 s.
const RENEW_CHANNEL: Duration = Duration::from_secs(540);
const FIRST_CHANNEL: u16 = 0x4000;

/// State of a permission or channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    None,
    Requested,
    /// Granted; to be renewed then.
    Granted(Time),
    /// Granted, and being renewed.
    Renewing,
    Refused,
}

impl Grant {
    pub fn is_granted(self) -> bool {
        matches!(self, Self::Granted(_) | Self::Renewing)
    }

    fn is_due(self, now: Time) -> bool {
        matches!(self, Self::Granted(renew_at) if renew_at <= now)
    }

    fn due(self) -> Time {
        match self {
            Self::Granted(renew_at) => renew_at,
            _ => Time::FAR,
        }
    }

    /// Start to request, or to renew.
    fn request(&mut self) {
        *self = match self.is_granted() {
            true => Self::Renewing,
            false => Self::Requested,
        };
    }
}

#[derive(Debug)]
struct Permission {
    ip: IpAddr,
    grant: Grant,
}

#[derive(Debug)]
struct Peer {
    address: SocketAddr,
    channel: Grant,
}

/// The peers of an allocation.
#[derive(Debug, Default)]
pub struct Peers {
    permissions: Vec<Permission>,
    peers: Vec<Peer>,
}

impl Peers {
    /// Add an address; false where it is known, or one too many.
    pub fn permit(&mut self, ip: IpAddr) -> bool {
        let is_new = self.permissions.iter().all(|known| known.ip != ip);
        let has_room = self.permissions.len() < MAX_PEERS;
        if is_new && has_room {
            let grant = Grant::None;
            self.permissions.push(Permission { ip, grant });
        }
        is_new && has_room
    }

    /// Forget all grants: the allocation is a new one.
    pub fn reset(&mut self) {
        self.peers.clear();
        for permission in &mut self.permissions {
            permission.grant = Grant::None;
        }
    }

    /// Return the next permission to request or to renew now; it then is requested.
    pub fn poll_permission(&mut self, now: Time) -> Option<IpAddr> {
        let is_wanted = |one: &&mut Permission| one.grant == Grant::None || one.grant.is_due(now);
        let permission = self.permissions.iter_mut().find(is_wanted)?;
        permission.grant.request();
        Some(permission.ip)
    }

    /// Return the next channel to renew now.
    pub fn poll_channel(&mut self, now: Time) -> Option<usize> {
        let index = self
            .peers
            .iter()
            .position(|peer| peer.channel.is_due(now))?;
        self.peers[index].channel.request();
        Some(index)
    }

    /// Return when a permission or channel has to be renewed.
    pub fn next_renewal(&self) -> Time {
        let permissions = self.permissions.iter().map(|one| one.grant.due());
        let channels = self.peers.iter().map(|peer| peer.channel.due());
        permissions.chain(channels).fold(Time::FAR, Time::min)
    }

    pub fn permission_granted(&mut self, now: Time, ip: IpAddr) {
        self.set_permission(ip, Grant::Granted(now + RENEW_PERMISSION));
    }

    pub fn permission_refused(&mut self, ip: IpAddr) {
        self.set_permission(ip, Grant::Refused);
    }

    /// Return whether every permission is refused.
    pub fn are_all_refused(&self) -> bool {
        let mut permissions = self.permissions.iter();
        permissions.all(|one| one.grant == Grant::Refused)
    }

    pub fn is_permitted(&self, ip: IpAddr) -> bool {
        let mut permissions = self.permissions.iter();
        permissions.any(|one| one.ip == ip && one.grant.is_granted())
    }

    /// Return the index of a peer; none for one too many.
    pub fn index_of(&mut self, address: SocketAddr) -> Option<usize> {
        let known = self.peers.iter().position(|peer| peer.address == address);
        if known.is_none() && self.peers.len() < MAX_PEERS {
            let channel = Grant::None;
            self.peers.push(Peer { address, channel });
            return Some(self.peers.len() - 1);
        }
        known
    }

    /// Return address and channel number of a peer.
    pub fn binding(&self, index: usize) -> Option<(SocketAddr, u16)> {
        let peer = self.peers.get(index)?;
        Some((peer.address, FIRST_CHANNEL + index as u16))
    }

    pub fn channel(&self, index: usize) -> Grant {
        self.peers
            .get(index)
            .map_or(Grant::Refused, |it| it.channel)
    }

    pub fn bind_requested(&mut self, index: usize) {
        if let Some(peer) = self.peers.get_mut(index) {
            peer.channel.request();
        }
    }

    /// Record a bound channel, which renews the permission of its address too.
    pub fn channel_bound(&mut self, now: Time, index: usize) {
        if let Some(peer) = self.peers.get_mut(index) {
            peer.channel = Grant::Granted(now + RENEW_CHANNEL);
            let ip = peer.address.ip();
            self.permission_granted(now, ip);
        }
    }

    pub fn channel_refused(&mut self, index: usize) {
        if let Some(peer) = self.peers.get_mut(index) {
            peer.channel = Grant::Refused;
        }
    }

    /// Return the peer of a channel number that the client has requested.
    pub fn of_channel(&self, number: u16) -> Option<SocketAddr> {
        let peer = self
            .peers
            .get(usize::from(number.checked_sub(FIRST_CHANNEL)?))?;
        let is_known = !matches!(peer.channel, Grant::None | Grant::Refused);
        is_known.then_some(peer.address)
    }

    fn set_permission(&mut self, ip: IpAddr, grant: Grant) {
        if let Some(known) = self.permissions.iter_mut().find(|known| known.ip == ip) {
            known.grant = grant;
        }
    }
}
