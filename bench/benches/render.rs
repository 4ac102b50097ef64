//! Rendering and signing one request by each shipped contract, with the example of its first event: what an attempt does before
//! anything goes over the network; and the same by contracts that differ in how a private key signs. Run it with
//! `cargo bench -p bellwire-bench`.

#![expect(clippy::expect_used, reason = "a measurement that cannot be made ends here")]

use std::cell::Cell;
use std::hint::black_box;
use std::time::Duration;

use bellwire_contract::{
    AccountInput, AttemptInput, Contract, Contracts, DeliveryInput, EndpointInput, EventDefinition, EventInput, RenderInput,
};
use bellwire_domain::{EventType, Timestamp, Trigger};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

/// 2025-01-15T10:30:00.123456Z.
const AT: Timestamp = Timestamp::from_micros(1_736_937_000_123_456);
thread_local! {
    /// The time, as the last attempt had it.
    static NOW: Cell<Timestamp> = const { Cell::new(AT) };
}
/// The type of the event where a contract takes any.
const ANY_TYPE: &str = "bench.measured";

fn render(criterion: &mut Criterion) {
    let contracts = Contracts::shipped().expect("the shipped contracts are fine");
    let mut group = criterion.benchmark_group("render and sign");
    for contract in contracts.iter() {
        let event = contract.events().first().or_else(|| contract.event(ANY_TYPE)).expect("a contract has events");
        group.bench_with_input(BenchmarkId::from_parameter(contract.name()), &(contract, event), |bencher, (contract, event)| {
            measure(bencher, contract, event, Duration::ZERO);
        });
    }
    group.finish();
}

/// Signatures by private keys: of the body, of tokens that differ from request to request, and of the same token again, as within a second.
fn private_keys(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sign with a private key");
    for algorithm in ["ed25519", "ecdsa-p256-sha256", "ecdsa-p384-sha384", "rsa-sha256"] {
        let contract = signing(&format!("sign: {algorithm}, over: \"{{{{ body }}}}\""));
        let id = BenchmarkId::from_parameter(algorithm);
        group.bench_with_input(id, &contract, |bencher, contract| measure_any(bencher, contract, Duration::ZERO));
    }
    for algorithm in ["EdDSA", "ES256", "RS256"] {
        let token = format!("{{ alg: {algorithm}, claims: {{ iat: \"{{{{ attempt.at | unix }}}}\" }} }}");
        let contract = signing(&format!("jwt: {token}"));
        for (title, step) in [("a token each", Duration::from_secs(1)), ("one token", Duration::ZERO)] {
            let id = BenchmarkId::new(algorithm, title);
            group.bench_with_input(id, &contract, |bencher, contract| measure_any(bencher, contract, step));
        }
    }
    group.finish();
}

/// A contract whose requests are signed so.
fn signing(signature: &str) -> Contract {
    let source = format!(
        "contract: bench\ntitle: Bench\nevents: any\nsubscription: {{ secret: {{ from: generated }} }}\nrequest:\n  headers: {{ x-signature: \
         \"{{{{ signature.s }}}}\" }}\n  body: \"{{{{ event.data }}}}\"\nsignatures: {{ s: {{ {signature} }} }}\n"
    );
    Contract::compile(&source, "bench.yaml").expect("the contract is fine")
}

fn measure_any(bencher: &mut criterion::Bencher<'_>, contract: &Contract, step: Duration) {
    measure(bencher, contract, contract.event(ANY_TYPE).expect("it takes any event"), step);
}

/// Renders again and again, each time so much later, and never at an instant at which a sample before has rendered.
fn measure(bencher: &mut criterion::Bencher<'_>, contract: &Contract, event: &EventDefinition, step: Duration) {
    let event_type = match event.event_type.as_str() {
        "*" => EventType::try_new(ANY_TYPE).expect("it is valid"),
        _ => event.event_type.clone(),
    };
    let ids = contract.ids();
    let (event_id, endpoint_id) = (ids.event.draw(AT, [7; 10]), ids.endpoint.draw(AT, [8; 10]));
    let input = RenderInput {
        event: EventInput {
            id: &event_id,
            event_type: &event_type,
            occurred_at: AT,
            seq: 42,
            data: event.example.get(),
            is_test: false,
        },
        attempt: AttemptInput { number: 1, at: AT, trigger: Trigger::Automatic, random: [7; 24] },
        delivery: DeliveryInput {
            id: "dlv_0000000000001",
            number: 7,
            created_at: AT,
            first_attempt_at: Some(AT),
            previous: None,
        },
        endpoint: EndpointInput {
            id: &endpoint_id,
            url: "https://client.example/hooks",
            name: None,
            expires_at: None,
            headers: &[],
            options: None,
            credentials: None,
        },
        account: AccountInput { id: "550e8400-e29b-41d4-a716-446655440000", name: None },
        secrets: contract.example_secrets(),
        activation: None,
        others: &[],
        access_token: None,
    };
    bencher.iter(|| {
        let at = NOW.get().plus(step);
        NOW.set(at);
        let input = RenderInput { attempt: AttemptInput { at, ..input.attempt }, ..input };
        contract.render(black_box(&input)).expect("it renders")
    });
}

criterion_group!(benches, render, private_keys);
criterion_main!(benches);
