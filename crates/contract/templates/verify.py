{{ self.comment(model.heading("Python 3.9 or newer").as_str()) }}
#
#     try:
#         verify(SECRET, request.headers, request.get_data(){% if model.takes_url %}, request.url{% endif %}{% if model.takes_method %}, request.method{% endif %})
#     except VerificationError as refusal:
#         return str(refusal), 401
#
{%- for note in model.notes() %}
{{ self.comment(note.as_str()) }}
{%- endfor %}
{%- for import in self.imports() %}
{{ import }}
{%- endfor %}
{%- if model.needs_now() %}

# How far the time of a request may be from yours. It bounds how long a recorded request can be sent again.
TOLERANCE_SECONDS = {{ model.tolerance_secs }}
{%- endif %}


class VerificationError(Exception):
    """The request is not genuine; the message says why."""


def verify({{ self.arguments() }}{% if model.needs_now() %}, now=None{% endif %}):
    """Raises VerificationError unless `secret` made the request.

    `secret` is text, `headers` a mapping from names in any case to texts, and `body` bytes.
    {%- if model.needs_now() %} `now` is in seconds since 1970; by
    default, the time of this machine.{% endif %}
    """
    {%- if model.needs_now() %}
    now = time.time() if now is None else now
    {%- endif %}
    if not secret:
        raise ValueError("the secret is empty: anybody could sign with it")
    headers = {name.lower(): value for name, value in headers.items()}
    {%- for read in model.reads %}
    {{ read.field }} = {{ self.reading(read) }}
    {%- if let Some(parts) = read.parts %}
    {% for field in parts.fields %}{{ field }}, {% endfor %}= _parts({{ self.literal(parts.pattern.as_str()) }}, {{ read.field }}, {{ self.literal(read.source.describe().as_str()) }})
    {%- endif %}
    {%- endfor %}
    {%- if let Some(key) = model.key %}
    key = {{ self.key(key) }}
    {%- endif %}
    {%- if !model.any_of.is_empty() %}
    if not {{ self.are_there(model.any_of.iter()) }}:
        raise VerificationError("nothing in the request proves where it comes from")
    {%- endif %}
    {%- for proof in model.proofs %}
    {%- if let Some((name, signed)) = proof.signed %}
    {{ name }} = {{ self.bytes(signed) }}
    {%- endif %}
    {%- if proof.has_several() %}
    # While a secret is rotated there is a signature for each; one that fits is enough.
    {%- endif %}
    {{ proof.name }} = {{ self.text(proof.expected) }}
    if {% if proof.is_optional %}{{ self.are_there(proof.fields()) }} and {% endif %}{{ self.refused(proof) }}:
        raise VerificationError({{ self.literal(proof.refusal()) }})
    {%- endfor %}
    {%- for follow in model.follows %}
    if {% if follow.is_optional %}{{ follow.field }} and {% endif %}not _same({{ self.text(follow.expected) }}, {{ follow.field }}):
        raise VerificationError({{ self.literal(model.refusal(follow.field.as_str()).as_str()) }})
    {%- endfor %}
    {%- for time in model.times %}
    {%- if time.is_optional %}
    if {{ time.field }}:
        _check_{{ time.form.name() }}({{ time.field }}, now)
    {%- else %}
    _check_{{ time.form.name() }}({{ time.field }}, now)
    {%- endif %}
    {%- endfor %}
    {%- if let Some(token) = model.token %}
    {%- let field = token.field.as_str() %}
    {%- if !token.before.is_empty() %}
    if not {{ field }}.startswith({{ self.literal(token.before.as_str()) }}):
        raise VerificationError("the token does not start as it should")
    {{ field }} = {{ field }}.removeprefix({{ self.literal(token.before.as_str()) }})
    {%- endif %}
    try:
        signed, signature = {{ field }}.rsplit(".", 1)
        header, claims = (json.loads(_base64url(part)) for part in signed.split("."))
        algorithm, signature = header["alg"], _base64url(signature)
    except (ValueError, KeyError, TypeError):
        raise VerificationError("the token is not a JWT") from None
    # The token does not choose its algorithm: "none" would be one.
    if algorithm != {{ self.literal(token.algorithm) }}:
        raise VerificationError("the token's algorithm is not {{ token.algorithm }}")
    if not hmac.compare_digest({{ self.token_mac(token) }}, signature):
        raise VerificationError("the token's signature does not fit the secret")
    if "exp" in claims and claims["exp"] <= now:
        raise VerificationError("the token has expired")
    if "nbf" in claims and claims["nbf"] > now + TOLERANCE_SECONDS:
        raise VerificationError("the token is not valid yet")
    {%- for claim in token.claims %}
    {%- let name = self.literal(claim.name.as_str()) %}
    {%- if !claim.is_optional %}
    if {{ name }} not in claims:
        raise VerificationError({{ self.literal(claim.missing().as_str()) }})
    {%- endif %}
    {%- match claim.rule %}
    {%- when Rule::Present %}
    {%- when Rule::Constant(json) %}
    if {% if claim.is_optional %}{{ name }} in claims and {% endif %}json.dumps(claims[{{ name }}]) != {{ self.literal(json) }}:
        raise VerificationError({{ self.literal(claim.wrong().as_str()) }})
    {%- when Rule::Time(form) %}
    {%- if claim.is_optional %}
    if {{ name }} in claims:
        _check_{{ form.name() }}(str(claims[{{ name }}]), now)
    {%- else %}
    _check_{{ form.name() }}(str(claims[{{ name }}]), now)
    {%- endif %}
    {%- when Rule::Follows(value) %}
    if {% if claim.is_optional %}{{ name }} in claims and {% endif %}not _same({{ self.text(value) }}, str(claims[{{ name }}])):
        raise VerificationError({{ self.literal(claim.wrong().as_str()) }})
    {%- endmatch %}
    {%- endfor %}
    {%- endif %}
{%- if self.uses("_required(") %}


def _required(headers, name):
    if name not in headers:
        raise VerificationError(f"the header {name} is missing")
    return headers[name]
{%- endif %}
{%- if self.uses("_parts(") %}


def _parts(pattern, text, place):
    found = re.fullmatch(pattern, text, re.DOTALL)
    if not found:
        raise VerificationError(f"{place} is not in its form")
    return found.groups()
{%- endif %}
{%- if self.uses("_in_body(") %}


def _in_body(body, *path, required=True):
    try:
        value = json.loads(body)
        for step in path:
            value = value[step]
    except (ValueError, KeyError, IndexError, TypeError):
        if not required:
            return ""
        raise VerificationError(f"the body has no {'.'.join(map(str, path))}") from None
    return value if isinstance(value, str) else json.dumps(value)
{%- endif %}
{%- if self.uses("_same(") %}


def _same(expected, shown):
    # In constant time: how long it takes must not tell how much of a guess is right.
    return hmac.compare_digest(expected.encode(), shown.encode())
{%- endif %}
{%- for form in model.forms() %}


def _check_{{ form.name() }}(text, now):
    try:
    {%- match form %}
    {%- when TimeForm::Unix %}
        sent = float(int(text))
    {%- when TimeForm::UnixMs %}
        sent = int(text) / 1000
    {%- when TimeForm::Rfc3339 %}
        sent = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z" if "." in text else "%Y-%m-%dT%H:%M:%S%z").timestamp()
    {%- when TimeForm::HttpDate %}
        sent = email.utils.parsedate_to_datetime(text).timestamp()
    {%- endmatch %}
    except (ValueError, TypeError, OverflowError):
        raise VerificationError(f"{text} is not a time") from None
    if abs(now - sent) > TOLERANCE_SECONDS:
        raise VerificationError(f"the request is {round(abs(now - sent))} s too {'old' if sent < now else 'new'}")
{%- endfor %}
{%- if self.uses("_base64(") %}


def _base64(text):
    return base64.b64decode(text + "=" * (-len(text) % 4))
{%- endif %}
{%- if self.uses("_base64url(") %}


def _base64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
{%- endif %}
{%- if self.uses("_target(") %}


def _target(url):
    parts = urllib.parse.urlsplit(url)
    return (parts.path or "/") + ("?" + parts.query if parts.query else "")
{%- endif %}
