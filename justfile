# Everyday commands; `just` alone lists them.

_list:
    @just --list

# Fast answers while editing: format, lints, links of the pages
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    scripts/check-docs --links

# Everything, or only the tests that match: just test -E 'test(retry)'
[positional-arguments]
test *arguments:
    scripts/test "$@"

# Five platforms, a local receiver, real deliveries
demo *arguments:
    cargo run --release --locked -p bellwire -- demo {{ arguments }}

# Throughput, latency, CPU and memory, beside the yardsticks
bench *arguments:
    cargo run --profile dist --locked -p bellwire-bench -- {{ arguments }}
