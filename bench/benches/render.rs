//! Rendering and signing one request by each shipped contract, with the example of its first event: what an attempt does before
//! anything goes over the network. Run it with `cargo bench -p bellwire-bench`.

#![expect(clippy::expect_used, reason = "a measurement that cannot be made ends here")]

use std::hint::black_box;

use bellwire_contract::{
    AccountInput, AttemptInput, Contract, Contracts, DeliveryInput, EndpointInput, EventDefinition, EventInput, RenderInput,
};
use bellwire_domain::{EventType, Timestamp, Trigger};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

/// 2025-01-15T10:30:00.123456Z.
const AT: Timestamp = Timestamp::from_micros(1_736_937_000_123_456);
/// The type of the event where a contract takes any.
const ANY_TYPE: &str = "bench.measured";

fn render(criterion: &mut Criterion) {
    let contracts = Contracts::shipped().expect("the shipped contracts are fine");
    let mut group = criterion.benchmark_group("render and sign");
    for contract in contracts.iter() {
        let event = contract.events().first().or_else(|| contract.event(ANY_TYPE)).expect("a contract has events");
        group.bench_with_input(BenchmarkId::from_parameter(contract.name()), &(contract, event), |bencher, (contract, event)| {
            measure(bencher, contract, event);
        });
    }
    group.finish();
}

fn measure(bencher: &mut criterion::Bencher<'_>, contract: &Contract, event: &EventDefinition) {
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
    bencher.iter(|| contract.render(black_box(&input)).expect("it renders"));
}

criterion_group!(benches, render);
criterion_main!(benches);
