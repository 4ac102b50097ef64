//! `POST /v1/accounts/{account}/endpoints/{endpoint}/test`

use std::borrow::Cow;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bellwire_app::Operation;
use bellwire_http::body;
use bellwire_http::body::Posted;
use bellwire_http::extract::{Caller, JsonBody, Params};
use bellwire_http::problem::Problem;
use bellwire_http::{Api, allowance};

use bellwire_http::publish::Receipt;

body! {
    pub(super) struct TestSend<'a> {
        /// The type of the event; by default, the contract's test event is sent.
        r#type: Option<Cow<'a, str>> as event_type,
        /// Its data; by default, the example of its type in the contract.
        data: Option<Posted<'a>>,
    }
}

/// Send a test event to this endpoint only
///
/// It is the contract's own test event unless the body names a type. It also goes to a disabled endpoint, and appears in the
/// account's log like any event, marked as a test. An account may have so many sent in a minute; `RateLimit` in the answer says how
/// many are left.
#[utoipa::path(
    post, path = "/v1/accounts/{account}/endpoints/{endpoint}/test", operation_id = "endpoints.test", tag = "endpoints",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("endpoint" = String, Path, description = "The endpoint's id."),
    ),
    request_body(content = Option<TestSend>, example = json!({ "type": "difference.created" })),
    responses((status = 201, description = "The test event is on its way.", body = Receipt, example = json!(Receipt::sample())),
        (status = 409, description = "The contract has no test event, or is not loaded."),
    )
)]
pub(super) async fn test(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params((account, endpoint)): Params<(String, String)>,
    body: JsonBody,
) -> Result<(StatusCode, Json<Receipt>), Problem> {
    let access = api.app.open_account(&actor, Operation::EndpointChange, &account).await?;
    // Many send nothing, and say so in their own ways.
    let body = body.read_encoded(actor.identity.as_str()).await?;
    let says_nothing = matches!(body.trim_ascii(), b"" | b"null");
    let input = if says_nothing {
        None
    } else {
        let asked: TestSend<'_> = body::read(&body)?;
        let data = asked.data.map(|Posted(data)| body.slice_ref(data.get().as_bytes()));
        access.test_event(asked.r#type, data)?
    };
    let (receipt, left) = api.app.test_endpoint(&access, &endpoint, input).await?;
    allowance::show(left);
    Ok((StatusCode::CREATED, Json(Receipt::show(&receipt))))
}
