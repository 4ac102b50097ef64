//! What a hostile tenant can do to its neighbour: the healthy account's latency alone, and while another account attacks.
//!
//! Each attack is on a new server. The healthy account is measured first, then the attack begins, then the same is measured again
//! while it lasts. To add an attack, add it to [`Attack`].
//!
//! One attack is left to tests, since a name server that never answers is nothing that a machine can be made to have: names that
//! are looked up for ever (`egress`'s tests have a resolver for that).

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use anyhow::Context;
use bellwire_testkit::postgres::Cluster;
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::bench::Bench;
use crate::client::Client;
use crate::growth::population::{Kind, Population, account};
use crate::measure::{Account, measure};
use crate::neighbours;
use crate::produce::events;
use crate::report::{Hostile, Results, say};
use crate::server::{Process, Setup};
use crate::workload::Workload;

/// The attacker's account.
const HOSTILE: &str = "/v1/accounts/hostile";
/// Endpoints that answer slowly, and events that each of them gets at once.
const SLOW_ENDPOINTS: usize = 600;
const SLOW_EVENTS: usize = 1;
/// How often each of them gets one: together they ask for more slots than the server has.
const SLOW_EVERY: Duration = Duration::from_millis(500);
/// Sockets that declare a large body, and bytes that each declares and sends.
const LARGE_SOCKETS: usize = 64;
const LARGE_DECLARED: usize = 1 << 20;
const LARGE_SENT: usize = 64 << 10;
/// Half-sent heads: more than the listener has connections.
const HALF_HEADS: usize = 4_200;
/// Where the attacker's sockets come from: not the address of the healthy account's producer.
const ATTACKS_FROM: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 2), 0));
/// How often connections that were closed are opened again.
const AGAIN_EVERY: Duration = Duration::from_millis(250);
/// Endpoints that replay, and events that each replays.
const REPLAYING: usize = 50;
const REPLAYED: usize = 5_000;
/// How often it asks for a replay and a test event.
const ASKS_EVERY: Duration = Duration::from_millis(1);
/// Deliveries that wait when their account is deleted.
const WAITING: usize = 100_000;
/// Endpoints with a filter each, and requests at once whose events all of these are asked about.
const FILTERS: usize = 1_000;
const FILTERED_AT_ONCE: usize = 32;
/// Events in a batch.
const BATCH: usize = 100;

/// What the hostile tenant does.
#[derive(Debug, Clone, Copy)]
enum Attack {
    SlowEndpoints,
    LargeBodies,
    HalfHeads,
    TestsAndReplays,
    Deletion,
    Filters,
}

impl Attack {
    const ALL: [Self; 6] =
        [Self::SlowEndpoints, Self::LargeBodies, Self::HalfHeads, Self::TestsAndReplays, Self::Deletion, Self::Filters];

    fn name(self) -> String {
        match self {
            Self::SlowEndpoints => format!("{SLOW_ENDPOINTS} endpoints that take a second"),
            Self::LargeBodies => format!("{LARGE_SOCKETS} sockets that declare 1 MiB and stop"),
            Self::HalfHeads => format!("{HALF_HEADS} half-sent heads"),
            Self::TestsAndReplays => {
                format!("test events without pause, and replays of {REPLAYED} events on {REPLAYING} endpoints")
            }
            Self::Deletion => format!("an account with {WAITING} waiting deliveries is deleted"),
            Self::Filters => format!("{FILTERS} endpoints with a filter each, and {FILTERED_AT_ONCE} events at once"),
        }
    }

    /// Bytes of the healthy account's events: large enough to be in the attack's way.
    fn size(self, bench: &Bench) -> usize {
        match self {
            Self::LargeBodies => 20 << 10,
            Self::SlowEndpoints | Self::HalfHeads | Self::TestsAndReplays | Self::Deletion | Self::Filters => bench.first_body(),
        }
    }

    /// Sets it up, before anything is measured.
    async fn prepare(self, bench: &Bench, server: &Process) -> anyhow::Result<()> {
        let mut client = bench.client(server).await?;
        client.json(Method::PUT, HOSTILE, &json!({ "contract": "standard-webhooks" })).await?;
        let quiet = |number: usize| format!("http://127.0.0.1:{}/quiet/{number}", bench.sink.port);
        match self {
            Self::SlowEndpoints => {
                let urls = neighbours::start(&bench.tasks).await?;
                let slow = urls.get(1).context("no slow neighbour")?;
                register(&mut client, (0..bench.little(SLOW_ENDPOINTS)).map(|number| format!("{slow}/{number}"))).await
            }
            Self::TestsAndReplays => {
                publish(&mut client, bench.little(REPLAYED)).await?;
                register(&mut client, (0..bench.little(REPLAYING)).map(quiet)).await
            }
            Self::Deletion => {
                let urls = neighbours::start(&bench.tasks).await?;
                register(&mut client, urls.first().cloned().into_iter()).await?;
                publish(&mut client, bench.little(WAITING)).await
            }
            Self::Filters => {
                let count = bench.little(FILTERS);
                let filtered = Population { kind: Kind::Subscription, count, per_account: count, in_turn: 1 };
                filtered.settle(bench, server).await.map(drop)
            }
            Self::LargeBodies | Self::HalfHeads => Ok(()),
        }
    }

    /// Begins it; it ends with the token, or with the server.
    async fn begin(self, bench: &Bench, server: &Process, stop: &CancellationToken) -> anyhow::Result<()> {
        let mut client = bench.client(server).await?;
        let stop = stop.clone();
        match self {
            Self::SlowEndpoints => {
                spawn(bench, stop, async move {
                    while publish(&mut client, SLOW_EVENTS).await.is_ok() {
                        tokio::time::sleep(SLOW_EVERY).await;
                    }
                });
            }
            Self::LargeBodies => {
                let key = consumer_key(&mut client).await?;
                let head = format!(
                    "POST {HOSTILE}/endpoints HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
                     content-length: {LARGE_DECLARED}\r\n\r\n"
                );
                let sent = [head.into_bytes(), vec![b' '; LARGE_SENT]].concat();
                hold(bench, server, stop, bench.little(LARGE_SOCKETS), &sent).await?;
            }
            Self::HalfHeads => {
                hold(bench, server, stop, bench.little(HALF_HEADS), b"GET /healthz HTTP/1.1\r\nhost: a\r\nx-half: ").await?;
            }
            Self::TestsAndReplays => {
                let key = consumer_key(&mut client).await?;
                let listed = client.json(Method::GET, &format!("{HOSTILE}/endpoints?limit=200"), &Value::Null).await?;
                let endpoints: Vec<String> =
                    listed.get("items").and_then(Value::as_array).into_iter().flatten().filter_map(id).collect();
                let mut consumer = Client::connect(server.port, &key, &bench.tasks).await?;
                spawn(bench, stop, async move {
                    loop {
                        for endpoint in &endpoints {
                            let since =
                                Bytes::from_static(br#"{"since":"2020-01-01T00:00:00Z","states":["missed","delivered"]}"#);
                            let replay =
                                consumer.send(Method::POST, &format!("{HOSTILE}/endpoints/{endpoint}/replay"), since).await;
                            let test =
                                consumer.send(Method::POST, &format!("{HOSTILE}/endpoints/{endpoint}/test"), Bytes::new()).await;
                            if replay.is_err() || test.is_err() {
                                return;
                            }
                            // As many as come through a network: this machine's processors are the server's too.
                            tokio::time::sleep(ASKS_EVERY).await;
                        }
                    }
                });
            }
            Self::Filters => {
                for _ in 0..FILTERED_AT_ONCE {
                    let mut client = bench.client(server).await?;
                    let event = Kind::Subscription.event(FILTERS, bench.first_body()); // none of them asks for it
                    spawn(bench, stop.clone(), async move {
                        while client.post(&format!("{}/events", account(0)), event.clone()).await.is_ok() {}
                    });
                }
            }
            Self::Deletion => spawn(bench, stop, async move { drop(client.send(Method::DELETE, HOSTILE, Bytes::new()).await) }),
        }
        Ok(())
    }
}

/// Measures every attack, on SQLite and, where a cluster is given, on PostgreSQL.
pub(crate) async fn run(bench: &Bench, cluster: Option<&Cluster>, results: &mut Results) {
    for attack in Attack::ALL {
        let name = attack.name();
        if !name.contains(&bench.options.only) {
            continue;
        }
        let over = if cluster.is_some() { "PostgreSQL" } else { "SQLite" };
        say(&format!("{over}: {name}"));
        let measured = measure_attack(bench, cluster, attack).await;
        let row = bench.keep(&mut results.failures, &name, measured).await;
        results.hostile.extend(row.map(|(alone, beside)| Hostile::new(format!("{name}, {over}"), &alone, &beside)));
    }
}

type Pair = (crate::report::Measurement, crate::report::Measurement);

async fn measure_attack(bench: &Bench, cluster: Option<&Cluster>, attack: Attack) -> anyhow::Result<Pair> {
    let setup = Setup { contract: Kind::Subscription.contract(), ..Setup::default() };
    let server = match cluster {
        Some(cluster) => Process::server_on(&bench.options.server, cluster.database(), setup, &bench.tasks).await?,
        None => Process::server_in(&bench.options.server, tempfile::tempdir()?, setup, &bench.tasks).await?,
    };
    let account = Account::set_up(bench, &server, "healthy", 1, &[]).await?;
    let workload = Workload::healthy(attack.size(bench));
    attack.prepare(bench, &server).await?;
    let alone = measure(bench, &server, &account, &workload).await?;
    let stop = CancellationToken::new();
    let _ends = stop.clone().drop_guard();
    attack.begin(bench, &server, &stop).await?;
    let beside = measure(bench, &server, &account, &workload.named("the same, attacked")).await?;
    Ok((alone, beside))
}

fn spawn(bench: &Bench, stop: CancellationToken, attack: impl Future<Output = ()> + Send + 'static) {
    bench.tasks.spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = attack => {}
        }
    });
}

/// Opens connections, sends the same on each, and keeps them. One that the server closes is opened again.
async fn hold(bench: &Bench, server: &Process, stop: CancellationToken, count: usize, sent: &[u8]) -> anyhow::Result<()> {
    let port = server.port;
    let mut held = Vec::with_capacity(count);
    for _ in 0..count {
        held.push(open(port, sent).await.context("the attacker cannot connect")?);
    }
    let sent = sent.to_vec();
    spawn(bench, stop, async move {
        loop {
            for stream in &mut held {
                if stream.try_read(&mut [0; 16]).is_ok() {
                    let Ok(again) = open(port, &sent).await else { return };
                    *stream = again;
                }
            }
            tokio::time::sleep(AGAIN_EVERY).await;
        }
    });
    Ok(())
}

async fn open(port: u16, sent: &[u8]) -> anyhow::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(ATTACKS_FROM)?;
    let mut stream = socket.connect((Ipv4Addr::LOCALHOST, port).into()).await?;
    let _ = stream.write_all(sent).await; // a server that refuses it has closed by then
    Ok(stream)
}

async fn consumer_key(client: &mut Client) -> anyhow::Result<String> {
    let wanted = json!({ "role": "consumer", "account": "hostile" });
    let made = client.json(Method::POST, "/v1/keys", &wanted).await?;
    Ok(made.get("key").and_then(Value::as_str).context("no key")?.to_owned())
}

async fn register(client: &mut Client, urls: impl Iterator<Item = String>) -> anyhow::Result<()> {
    for url in urls {
        client.json(Method::POST, &format!("{HOSTILE}/endpoints"), &json!({ "url": url, "enabled": true })).await?;
    }
    Ok(())
}

/// Publishes so many events of the attacker's.
async fn publish(client: &mut Client, count: usize) -> anyhow::Result<()> {
    for first in (0..count).step_by(BATCH) {
        client.post(&format!("{HOSTILE}/events"), events("bench.event", BATCH.min(count - first), 200)).await?;
    }
    Ok(())
}

fn id(item: &Value) -> Option<String> {
    item.get("id")?.as_str().map(ToOwned::to_owned)
}
