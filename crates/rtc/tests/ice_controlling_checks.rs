//! A controlling agent checks, nominates and keeps consent at the pace of the RFCs.

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::pair::{address, client_credentials, credentials, server_credentials};
use common::stun::{Check, key};
use rtc::ice::{Base, Credentials, IceControlling, IceEvent, Rejected};
use rtc::outbox::Outbox;
use rtc::path::PathId;
use wire::stun::{Builder, Class, Message, Method};
use wire::time::Time;

const START: Time = Time::from_secs(50);
const SERVERS: [&str; 2] = ["192.0.2.1:7081", "192.0.2.2:7081"];

struct Bot {
    ice: IceControlling,
    now: Time,
    /// Milliseconds since the start, path and bytes of all that was sent.
    sent: Vec<(u64, PathId, Vec<u8>)>,
}

impl Bot {
    fn new(seed: u64) -> Self {
        let local = "198.51.100.2".parse().unwrap();
        let bases = vec![Base { socket: 0, local }];
        Self {
            ice: IceControlling::new(&client_credentials(), seed, bases),
            now: START,
            sent: Vec::new(),
        }
    }

    fn checking(seed: u64) -> Self {
        let mut bot = Self::new(seed);
        let servers = SERVERS.map(address);
        bot.ice.set_remote(START, &server_credentials(), &servers);
        bot
    }

    /// Advance the time as a caller does: from timeout to timeout.
    fn wait(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(due) = self.ice.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            let mut out = Outbox::new();
            self.ice.handle_timeout(self.now, &mut out);
            self.note(&out);
            let next = self.ice.poll_timeout();
            assert!(next.is_none_or(|next| next > self.now), "it repeats");
        }
        self.now = end;
    }

    fn take(&mut self, path: PathId, datagram: &[u8]) -> Result<(), Rejected> {
        let mut out = Outbox::new();
        let taken = self.ice.receive(self.now, path, datagram, &mut out);
        self.note(&out);
        taken
    }

    fn note(&mut self, out: &Outbox) {
        let ms = self.now.since(START).as_millis() as u64;
        let sent = out.datagrams();
        self.sent
            .extend(sent.map(|(path, bytes)| (ms, path, bytes.to_vec())));
    }

    /// When something was sent to a server, milliseconds since the start.
    fn times(&self, server: &str) -> Vec<u64> {
        let to = |(_, path, _): &&(u64, PathId, Vec<u8>)| path.remote == address(server);
        self.sent.iter().filter(to).map(|(ms, ..)| *ms).collect()
    }

    fn last(&self) -> (PathId, Message<'_>) {
        let (_, path, bytes) = self.sent.last().unwrap();
        (*path, Message::parse(bytes).unwrap())
    }

    /// Answer the last request with success, as the server would.
    fn succeed(&mut self) {
        let (path, request) = self.last();
        let answer = answer(&request, Class::Success, &server_credentials(), path.remote);
        self.take(path, &answer).unwrap();
    }

    /// Become connected: first check answered, nomination answered.
    fn connected(seed: u64) -> Self {
        let mut bot = Self::checking(seed);
        bot.wait(Duration::ZERO);
        bot.succeed();
        bot.succeed();
        bot.sent.clear();
        bot
    }

    fn events(&mut self) -> Vec<IceEvent> {
        std::iter::from_fn(|| self.ice.poll_event()).collect()
    }
}

fn path_to(server: &str) -> PathId {
    PathId::udp(0, "198.51.100.2".parse().unwrap(), address(server))
}

fn answer(request: &Message<'_>, class: Class, by: &Credentials, mapped: SocketAddr) -> Vec<u8> {
    let mut out = Vec::new();
    Builder::new(&mut out, class, Method::BINDING, request.transaction)
        .xor_mapped_address(mapped)
        .integrity(&key(by))
        .fingerprint();
    out
}

fn refusal(request: &Message<'_>, code: u16, signer: Option<&Credentials>) -> Vec<u8> {
    let mut out = Vec::new();
    let class = Class::Error;
    let message =
        Builder::new(&mut out, class, Method::BINDING, request.transaction).error_code(code, "no");
    match signer {
        Some(signer) => message.integrity(&key(signer)).fingerprint(),
        None => message.fingerprint(),
    }
    out
}

#[test]
fn checks_are_paced_and_repeated_with_backoff() {
    let mut bot = Bot::checking(1);
    bot.wait(Duration::from_secs(10));
    assert_eq!(bot.times(SERVERS[0]), [0, 500, 1500, 3500, 7500]);
    assert_eq!(bot.times(SERVERS[1]), [50, 550, 1550, 3550, 7550]);
}

#[test]
fn a_check_is_authenticated_and_nominates_nothing_yet() {
    let mut bot = Bot::checking(5);
    bot.wait(Duration::ZERO);
    let (path, check) = bot.last();
    assert_eq!(path, path_to(SERVERS[0]));
    assert_eq!(
        (check.class, check.method),
        (Class::Request, Method::BINDING)
    );
    assert_eq!(check.username(), Some("SERVERufrag:CLIENTufrag"));
    assert_eq!(check.ice_controlling(), Some(5));
    assert!(check.priority().is_some());
    assert!(check.check_integrity(&key(&server_credentials())));
    assert_eq!(check.check_fingerprint(), Some(true));
    assert!(!check.use_candidate());
}

#[test]
fn the_first_response_validates_and_nominates_its_pair() {
    let mut bot = Bot::checking(1);
    bot.wait(Duration::from_millis(60));
    bot.succeed();
    let path = path_to(SERVERS[1]);
    let (nominated, check) = bot.last();
    assert_eq!(nominated, path);
    assert!(check.use_candidate());
    assert_eq!(bot.ice.send_path(), Some(path));
    assert!(bot.ice.accepts(&path) && !bot.ice.accepts(&path_to(SERVERS[0])));
    let expected = [IceEvent::PathValidated(path), IceEvent::PathSelected(path)];
    assert_eq!(bot.events(), expected);
}

#[test]
fn the_nomination_is_repeated_until_it_is_answered() {
    let mut bot = Bot::checking(1);
    bot.wait(Duration::ZERO);
    bot.succeed();
    bot.sent.clear();
    bot.wait(Duration::from_secs(4));
    assert_eq!(bot.times(SERVERS[0]), [500, 1500, 3500]);
    assert_eq!(bot.times(SERVERS[1]), []);
}

#[test]
fn consent_checks_are_sent_about_every_five_seconds() {
    let mut bot = Bot::connected(3);
    let mut last_ms = 0;
    for _ in 0..50 {
        let before = bot.sent.len();
        while bot.sent.len() == before {
            let due = bot.ice.poll_timeout().unwrap();
            bot.wait(due.since(bot.now));
        }
        bot.succeed();
        let (ms, ..) = *bot.sent.last().unwrap();
        assert!((4_000..=6_000).contains(&(ms - last_ms)), "{last_ms} {ms}");
        last_ms = ms;
    }
    assert_eq!(bot.events().len(), 2);
}

#[test]
fn a_seed_repeats_itself_and_another_one_differs() {
    let run = |seed| {
        let mut bot = Bot::connected(seed);
        bot.wait(Duration::from_secs(29));
        bot.sent
    };
    assert_eq!(run(3), run(3));
    let times = |seed| run(seed).into_iter().map(|(ms, ..)| ms).collect::<Vec<_>>();
    assert_ne!(times(3), times(4));
}

#[test]
fn without_consent_for_thirty_seconds_all_pairs_are_checked_again() {
    let mut bot = Bot::connected(1);
    bot.events();
    bot.wait(Duration::from_secs(30));
    let path = path_to(SERVERS[0]);
    let end = [
        IceEvent::PathRetired(path),
        IceEvent::Disconnected("consent_expired"),
    ];
    assert_eq!(bot.events(), end);
    assert_eq!(bot.ice.send_path(), None);
    assert!(!bot.ice.accepts(&path));

    bot.sent.clear();
    bot.wait(Duration::from_secs(300));
    assert!(bot.times(SERVERS[1]).len() > 20, "it gave up");
    assert_eq!(bot.events(), []);
    bot.succeed();
    assert!(bot.ice.send_path().is_some());
}

#[test]
fn a_server_without_responses_times_out() {
    let mut bot = Bot::checking(1);
    bot.wait(Duration::from_secs(30));
    assert_eq!(bot.events(), [IceEvent::Failed("ice_timeout")]);
    assert_eq!(bot.ice.poll_timeout(), None);
}

#[test]
fn an_unauthenticated_error_fails_nothing_but_sets_the_reason() {
    let mut bot = Bot::checking(1);
    bot.wait(Duration::ZERO);
    let (path, request) = bot.last();
    let refusal = refusal(&request, 401, None);
    assert_eq!(bot.take(path, &refusal), Err(Rejected::NoIntegrity));
    bot.wait(Duration::from_secs(20));
    assert_eq!(bot.times(SERVERS[0]).len(), 6);
    bot.wait(Duration::from_secs(10));
    assert_eq!(bot.events(), [IceEvent::Failed("ice_unauthorized")]);
}

#[test]
fn a_signed_role_conflict_ends_it() {
    let mut bot = Bot::checking(1);
    bot.wait(Duration::ZERO);
    let (path, request) = bot.last();
    let refusal = refusal(&request, 487, Some(&server_credentials()));
    assert_eq!(bot.take(path, &refusal), Ok(()));
    assert_eq!(bot.events(), [IceEvent::Failed("ice_role_conflict")]);
}

#[test]
fn answers_after_the_verdict_change_nothing() {
    let mut bot = Bot::checking(1);
    bot.wait(Duration::from_millis(60));
    let (late, request) = bot.last();
    let success = answer(&request, Class::Success, &server_credentials(), late.remote);
    let conflict = refusal(&request, 487, Some(&server_credentials()));
    let (_, first, request) = bot.sent[0].clone();
    let request = Message::parse(&request).unwrap();
    let chosen = answer(
        &request,
        Class::Success,
        &server_credentials(),
        first.remote,
    );
    bot.take(first, &chosen).unwrap();
    for answer in [&success, &conflict] {
        assert_eq!(bot.take(late, answer), Err(Rejected::Unexpected));
    }
    assert_eq!(bot.ice.send_path(), Some(first));

    let mut bot = Bot::checking(1);
    bot.wait(Duration::from_secs(30));
    assert_eq!(bot.take(late, &success), Err(Rejected::Unexpected));
    assert_eq!(bot.ice.send_path(), None);
}

#[test]
fn a_failed_pair_is_checked_again_after_a_delay() {
    let mut bot = Bot::checking(1);
    bot.wait(Duration::ZERO);
    let (path, request) = bot.last();
    let refusal = refusal(&request, 500, Some(&server_credentials()));
    bot.take(path, &refusal).unwrap();
    bot.wait(Duration::from_secs(3));
    assert_eq!(bot.times(SERVERS[0]), [0, 2000, 2500]);
}

#[test]
fn responses_must_be_authenticated_pending_and_symmetric() {
    let mut bot = Bot::checking(1);
    bot.wait(Duration::ZERO);
    let (path, request) = bot.last();
    let guess = credentials("SERVERufrag", "guessGUESSguessGUESSguess");
    let forged = answer(&request, Class::Success, &guess, path.remote);
    let good = answer(&request, Class::Success, &server_credentials(), path.remote);
    let mut other = request;
    other.transaction.0 = [9; 12];
    let stray = answer(&other, Class::Success, &server_credentials(), path.remote);

    assert_eq!(bot.take(path, &forged), Err(Rejected::BadIntegrity));
    assert_eq!(bot.take(path, &stray), Err(Rejected::Unexpected));
    let elsewhere = path_to(SERVERS[1]);
    assert_eq!(bot.take(elsewhere, &good), Err(Rejected::Asymmetric));
    assert_eq!(bot.events(), []);
}

#[test]
fn a_full_peer_is_answered_and_checked_back() {
    let mut bot = Bot::checking(1);
    bot.wait(Duration::from_millis(60));
    let local = client_credentials();
    let mut check = Check::of(&local);
    check.is_controlled = true;
    let hidden = path_to("192.0.2.9:9999");
    bot.take(hidden, &check.bytes()).unwrap();
    let (path, answer) = bot.last();
    assert_eq!((path, answer.class), (hidden, Class::Success));
    assert!(answer.check_integrity(&key(&local)));
    assert!(!bot.ice.accepts(&hidden), "its check proves one direction");

    bot.wait(Duration::ZERO);
    assert_eq!(bot.last().0, hidden);
    bot.succeed();
    assert_eq!(bot.ice.send_path(), Some(hidden));
}

#[test]
fn a_controlling_peer_gets_a_487() {
    let mut bot = Bot::checking(1);
    let check = Check::nominating(&client_credentials()).bytes();
    let taken = bot.take(path_to(SERVERS[0]), &check);
    assert_eq!(taken, Err(Rejected::RoleConflict));
    assert_eq!(bot.last().1.error_code().map(|(code, _)| code), Some(487));
}

#[test]
fn a_restart_keeps_the_old_path_until_a_new_one_answers() {
    let mut bot = Bot::connected(1);
    bot.events();
    let mine = credentials("CLIENTnew", "clientNEWclientNEWclientNEW");
    let theirs = credentials("SERVERnew", "serverNEWserverNEWserverNEW");
    let servers = [address(SERVERS[1])];
    bot.ice.restart(bot.now, &mine, &theirs, &servers);
    let old = path_to(SERVERS[0]);
    assert_eq!(bot.ice.send_path(), Some(old));

    bot.wait(Duration::ZERO);
    let (new, check) = bot.last();
    assert_eq!(check.username(), Some("SERVERnew:CLIENTnew"));
    let answer = answer(&check, Class::Success, &theirs, new.remote);
    bot.take(new, &answer).unwrap();
    assert_eq!(bot.ice.send_path(), Some(new));
    assert!(bot.ice.accepts(&old), "media may still be under way");
}

#[test]
fn only_candidates_of_the_bases_family_are_checked() {
    let mut bot = Bot::new(1);
    let candidates = ["[2001:db8::1]:7081", SERVERS[0]].map(address);
    bot.ice
        .set_remote(START, &server_credentials(), &candidates);
    bot.wait(Duration::from_millis(100));
    assert_eq!(bot.sent.len(), 1);
    assert_eq!(bot.last().0, path_to(SERVERS[0]));
}

#[test]
fn a_flood_of_candidates_is_cut() {
    let mut bot = Bot::new(1);
    let flood: Vec<_> = (1..=1000)
        .map(|port| SocketAddr::from(([192, 0, 2, 1], port)))
        .collect();
    bot.ice.set_remote(START, &server_credentials(), &flood);
    bot.wait(Duration::from_millis(1_500));
    assert_eq!(bot.sent.len(), 31);
}

#[test]
fn a_trickled_candidate_is_checked_once() {
    let mut bot = Bot::new(1);
    bot.ice
        .set_remote(START, &server_credentials(), &[address(SERVERS[0])]);
    bot.wait(Duration::from_millis(100));
    for _ in 0..2 {
        bot.ice.add_candidate(bot.now, address(SERVERS[1]));
        bot.ice
            .add_candidate(bot.now, address("[2001:db8::1]:7081"));
    }
    bot.wait(Duration::from_millis(100));
    assert_eq!(bot.times(SERVERS[1]), [100]);
    bot.succeed();
    assert_eq!(bot.ice.send_path(), Some(path_to(SERVERS[1])));
}

#[test]
fn a_flood_of_trickled_candidates_is_cut() {
    let mut bot = Bot::new(1);
    bot.ice.set_remote(START, &server_credentials(), &[]);
    for port in 1..=1000 {
        let candidate = SocketAddr::from(([192, 0, 2, 1], port));
        bot.ice.add_candidate(START, candidate);
    }
    bot.wait(Duration::from_millis(1_700));
    let mut peers: Vec<_> = bot.sent.iter().map(|(_, path, _)| path.remote).collect();
    peers.sort();
    peers.dedup();
    assert_eq!(peers.len(), 32);
}

#[test]
fn after_a_change_of_address_the_selected_pair_is_checked_first_with_a_higher_priority() {
    let mut bot = Bot::checking(9);
    bot.wait(Duration::ZERO);
    let before = bot.last().1.priority().unwrap();
    // The first server does not respond; the second one is selected.
    bot.wait(Duration::from_millis(60));
    bot.succeed();
    bot.succeed();
    bot.events();
    bot.sent.clear();

    bot.ice.change_address(bot.now);
    assert_eq!(bot.ice.send_path(), None, "nothing is sent but checks");
    assert!(!bot.ice.accepts(&path_to(SERVERS[1])));
    bot.wait(Duration::ZERO);
    let (path, check) = bot.last();
    assert_eq!(path, path_to(SERVERS[1]));
    assert!(check.priority().unwrap() > before && !check.use_candidate());
    bot.succeed();
    assert!(bot.last().1.use_candidate());
    let retired = IceEvent::PathRetired(path_to(SERVERS[1]));
    let (validated, selected) = (
        IceEvent::PathValidated(path_to(SERVERS[1])),
        IceEvent::PathSelected(path_to(SERVERS[1])),
    );
    assert_eq!(bot.events(), [retired, validated, selected]);
}

#[test]
fn without_a_response_to_a_new_address_the_agent_fails() {
    let mut bot = Bot::connected(10);
    bot.events();
    bot.ice.change_address(bot.now);
    bot.wait(Duration::from_secs(31));
    let failed = IceEvent::Failed(rtc::ice::REASON_TIMEOUT);
    assert_eq!(bot.events().last(), Some(&failed));
    bot.ice.change_address(bot.now);
    assert_eq!(bot.ice.poll_timeout(), None, "a failed agent stays failed");
}
