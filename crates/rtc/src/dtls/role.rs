/// The DTLS role: the client sends the ClientHello.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// The local endpoint sends it (`a=setup:active`).
    Client,
    /// The peer sends it (`a=setup:passive`).
    Server,
}
