<?php
{{ self.comment(model.heading("PHP 8.0 or newer").as_str()) }}
//
//     try {
//         WebhookVerifier::verify($secret, getallheaders(), file_get_contents("php://input"){% if model.takes_url %}, $url{% endif %}{% if model.takes_method %}, $_SERVER["REQUEST_METHOD"]{% endif %});
//     } catch (VerificationException $refusal) {
//         http_response_code(401);
//         exit($refusal->getMessage());
//     }
//
{%- for note in model.notes() %}
{{ self.comment(note.as_str()) }}
{%- endfor %}

/** The request is not genuine; the message says why. */
final class VerificationException extends \Exception
{
}

final class WebhookVerifier
{
    {%- if model.needs_now() %}
    /** How far the time of a request may be from yours. It bounds how long a recorded request can be sent again. */
    private const TOLERANCE_SECONDS = {{ model.tolerance_secs }};
{% endif %}
    /**
     * Throws a VerificationException unless the secret made the request.
     *
     * The headers are an array from names in any case to texts.
     {%- if model.needs_now() %} The time is in seconds since 1970; by default, that of this machine.{% endif %}
     */
    public static function verify({{ self.arguments() }}): void
    {
        {%- if model.needs_now() %}
        $now ??= time();
        {%- endif %}
        if ($secret === "") {
            throw new \InvalidArgumentException("the secret is empty: anybody could sign with it");
        }
        $headers = array_change_key_case($headers, CASE_LOWER);
        {%- for read in model.reads %}
        {{ self.variable(read.field) }} = {{ self.reading(read) }};
        {%- if let Some(parts) = read.parts %}
        [{{ self.variables(parts.fields) }}] = self::parts({{ self.literal(parts.pattern.as_str()) }}, {{ self.variable(read.field) }}, {{ self.literal(read.source.describe().as_str()) }});
        {%- endif %}
        {%- endfor %}
        {%- if let Some(key) = model.key %}
        $key = {{ self.key(key) }};
        {%- endif %}
        {%- if !model.any_of.is_empty() %}
        if (!({{ self.are_there(model.any_of.iter()) }})) {
            throw new VerificationException("nothing in the request proves where it comes from");
        }
        {%- endif %}
        {%- for proof in model.proofs %}
        {%- if let Some((name, signed)) = proof.signed %}
        {{ self.variable(name) }} = {{ self.bytes(signed) }};
        {%- endif %}
        {%- if proof.has_several() %}
        // While a secret is rotated there is a signature for each; one that fits is enough.
        {%- else %}
        // hash_equals takes constant time: how long it takes must not tell how much of a guess is right.
        {%- endif %}
        {{ self.variable(proof.name) }} = {{ self.text(proof.expected) }};
        if ({% if proof.is_optional %}{{ self.are_there(proof.fields()) }} && {% endif %}{{ self.refused(proof) }}) {
            throw new VerificationException({{ self.literal(proof.refusal()) }});
        }
        {%- endfor %}
        {%- for follow in model.follows %}
        if ({% if follow.is_optional %}{{ self.variable(follow.field) }} !== "" && {% endif %}!hash_equals({{ self.text(follow.expected) }}, {{ self.variable(follow.field) }})) {
            throw new VerificationException({{ self.literal(model.refusal(follow.field.as_str()).as_str()) }});
        }
        {%- endfor %}
        {%- for time in model.times %}
        {%- if time.is_optional %}
        if ({{ self.variable(time.field) }} !== "") {
            self::{{ time.form.checker() }}({{ self.variable(time.field) }}, $now);
        }
        {%- else %}
        self::{{ time.form.checker() }}({{ self.variable(time.field) }}, $now);
        {%- endif %}
        {%- endfor %}
        {%- if let Some(token) = model.token %}
        {%- let field = self.variable(token.field) %}
        {%- if !token.before.is_empty() %}
        if (!str_starts_with({{ field }}, {{ self.literal(token.before.as_str()) }})) {
            throw new VerificationException("the token does not start as it should");
        }
        $parts = explode(".", self::without({{ field }}, {{ self.literal(token.before.as_str()) }}));
        {%- else %}
        $parts = explode(".", {{ field }});
        {%- endif %}
        [$header, $claims] = array_map(fn ($part) => json_decode(base64_decode(strtr($part, "-_", "+/")), true), $parts) + [null, null];
        if (count($parts) !== 3 || !is_array($header) || !is_array($claims)) {
            throw new VerificationException("the token is not a JWT");
        }
        // The token does not choose its algorithm: "none" would be one.
        if (($header["alg"] ?? null) !== {{ self.literal(token.algorithm) }}) {
            throw new VerificationException("the token's algorithm is not {{ token.algorithm }}");
        }
        $signed = $parts[0] . "." . $parts[1];
        // hash_equals takes constant time: how long it takes must not tell how much of a guess is right.
        if (!hash_equals(rtrim(strtr(base64_encode({{ self.token_mac(token) }}), "+/", "-_"), "="), $parts[2])) {
            throw new VerificationException("the token's signature does not fit the secret");
        }
        if (isset($claims["exp"]) && $claims["exp"] <= $now) {
            throw new VerificationException("the token has expired");
        }
        if (isset($claims["nbf"]) && $claims["nbf"] > $now + self::TOLERANCE_SECONDS) {
            throw new VerificationException("the token is not valid yet");
        }
        {%- for claim in token.claims %}
        {%- let name = self.literal(claim.name.as_str()) %}
        {%- if !claim.is_optional %}
        if (!array_key_exists({{ name }}, $claims)) {
            throw new VerificationException({{ self.literal(claim.missing().as_str()) }});
        }
        {%- endif %}
        {%- match claim.rule %}
        {%- when Rule::Present %}
        {%- when Rule::Constant(json) %}
        if ({% if claim.is_optional %}array_key_exists({{ name }}, $claims) && {% endif %}json_encode($claims[{{ name }}]) !== {{ self.literal(json) }}) {
            throw new VerificationException({{ self.literal(claim.wrong().as_str()) }});
        }
        {%- when Rule::Time(form) %}
        {%- if claim.is_optional %}
        if (array_key_exists({{ name }}, $claims)) {
            self::{{ form.checker() }}((string) $claims[{{ name }}], $now);
        }
        {%- else %}
        self::{{ form.checker() }}((string) $claims[{{ name }}], $now);
        {%- endif %}
        {%- when Rule::Follows(value) %}
        if ({% if claim.is_optional %}array_key_exists({{ name }}, $claims) && {% endif %}!hash_equals({{ self.text(value) }}, (string) $claims[{{ name }}])) {
            throw new VerificationException({{ self.literal(claim.wrong().as_str()) }});
        }
        {%- endmatch %}
        {%- endfor %}
        {%- endif %}
    }
    {%- if self.uses("self::required(") %}

    private static function required(array $headers, string $name): string
    {
        if (!isset($headers[$name])) {
            throw new VerificationException("the header $name is missing");
        }
        return $headers[$name];
    }
    {%- endif %}
    {%- if self.uses("self::parts(") %}

    private static function parts(string $pattern, string $text, string $place): array
    {
        if (!preg_match("/\\A(?:$pattern)\\z/s", $text, $found)) {
            throw new VerificationException("$place is not in its form");
        }
        return array_slice($found, 1);
    }
    {%- endif %}
    {%- if self.uses("self::inBody(") %}

    private static function inBody(string $body, array $path, bool $isRequired): string
    {
        $value = json_decode($body, true);
        foreach ($path as $step) {
            $value = is_array($value) ? ($value[$step] ?? null) : null;
        }
        if ($value === null && $isRequired) {
            throw new VerificationException("the body has no " . implode(".", $path));
        }
        return is_string($value) ? $value : ($value === null ? "" : json_encode($value));
    }
    {%- endif %}
    {%- if self.uses("self::sameAsOne(") %}

    private static function sameAsOne(string $expected, array $shown): bool
    {
        // hash_equals takes constant time: how long it takes must not tell how much of a guess is right.
        return (bool) array_filter($shown, fn ($one) => hash_equals($expected, $one));
    }
    {%- endif %}
    {%- for form in model.forms() %}

    private static function {{ form.checker() }}(string $text, int $now): void
    {
        {%- match form %}
        {%- when TimeForm::Unix %}
        $sent = preg_match('/\A\d+\z/', $text) ? (int) $text : false;
        {%- when TimeForm::UnixMs %}
        $sent = preg_match('/\A\d+\z/', $text) ? intdiv((int) $text, 1000) : false;
        {%- when TimeForm::Rfc3339 %}
        $sent = preg_match('/\A\d{4}-\d\d-\d\dT/', $text) ? strtotime($text) : false;
        {%- when TimeForm::HttpDate %}
        $sent = preg_match('/\A[A-Z][a-z]{2}, /', $text) ? strtotime($text) : false;
        {%- endmatch %}
        if ($sent === false) {
            throw new VerificationException("$text is not a time");
        }
        if (abs($now - $sent) > self::TOLERANCE_SECONDS) {
            throw new VerificationException("the request is " . abs($now - $sent) . " s too " . ($sent < $now ? "old" : "new"));
        }
    }
    {%- endfor %}
    {%- if self.uses("self::without(") %}

    private static function without(string $text, string $prefix): string
    {
        return str_starts_with($text, $prefix) ? substr($text, strlen($prefix)) : $text;
    }
    {%- endif %}
}
