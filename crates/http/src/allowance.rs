//! What the caller may still do, in the headers of the answer (the IETF's draft-ietf-httpapi-ratelimit-headers-10:
//! `RateLimit-Policy` and `RateLimit`).

use std::cell::RefCell;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use bellwire_app::{Allowance, Window};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");

tokio::task_local! {
    /// What the answer to the request of this task will say. Few have anything to say, and then nothing is allocated.
    static SHOWN: RefCell<Vec<Allowance>>;
}

/// Has the answer to the current request say what is left. Outside of [`showing`] it does nothing.
pub fn show(allowance: Allowance) {
    let _ = SHOWN.try_with(|shown| shown.borrow_mut().push(allowance));
}

/// Answers a request, with all that was [shown](show) meanwhile.
pub(crate) async fn showing(answering: impl Future<Output = Response>) -> Response {
    let answering = async {
        let mut response = answering.await;
        SHOWN.with(|shown| shown.borrow().iter().for_each(|allowance| write(allowance, response.headers_mut())));
        response
    };
    SHOWN.scope(RefCell::default(), answering).await
}

/// Writes what is left of one thing, beside what the answer says already.
pub(crate) fn write(allowance: &Allowance, headers: &mut HeaderMap) {
    let Allowance { policy, limit, remaining, window } = allowance;
    let (span, resets) = match window {
        Some(Window { span_s, resets_in }) => {
            let resets_s = resets_in.as_secs() + u64::from(resets_in.subsec_nanos() > 0);
            (format!(";w={span_s}"), format!(";t={resets_s}"))
        }
        None => Default::default(),
    };
    let texts = [(POLICY, format!("\"{policy}\";q={limit}{span}")), (LEFT, format!("\"{policy}\";r={remaining}{resets}"))];
    for (name, text) in texts {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.append(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    #[tokio::test]
    async fn what_is_shown_is_in_the_answer_to_its_own_request_and_in_no_other() {
        let ask = |remaining: Option<u32>| {
            showing(async move {
                tokio::task::yield_now().await;
                if let Some(remaining) = remaining {
                    show(Allowance { policy: "things", limit: 9, remaining, window: None });
                }
                tokio::task::yield_now().await;
                ().into_response()
            })
        };
        let (one, none, two) = tokio::join!(ask(Some(1)), ask(None), ask(Some(2)));
        let left = |response: &Response| response.headers().get(LEFT).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!([left(&one), left(&two)], [Some("\"things\";r=1".to_owned()), Some("\"things\";r=2".to_owned())]);
        assert!(none.headers().is_empty());
    }
}
