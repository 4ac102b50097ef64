{{ self.comment(model.heading("Java 17 or newer").as_str()) }}
//
//     try {
//         WebhookVerifier.verify(secret, headers, request.getInputStream().readAllBytes(){% if model.takes_url %}, url{% endif %}{% if model.takes_method %}, request.getMethod(){% endif %});
//     } catch (WebhookVerifier.VerificationException refusal) {
//         response.sendError(401, refusal.getMessage());
//     }
//
{%- for note in model.notes() %}
{{ self.comment(note.as_str()) }}
{%- endfor %}
{% for class in self.imports() %}
import {{ class }};
{%- endfor %}

public final class WebhookVerifier {
    /** The request is not genuine; the message says why. */
    public static final class VerificationException extends Exception {
        VerificationException(String message) {
            super(message);
        }
    }
    {%- if model.needs_now() %}

    /** How far the time of a request may be from yours. It bounds how long a recorded request can be sent again. */
    private static final Duration TOLERANCE = Duration.ofSeconds({{ model.tolerance_secs }});
    {%- endif %}

    private WebhookVerifier() {}
    {%- if model.needs_now() %}

    /** Verifies a request at the time of this machine. */
    public static void verify({{ self.arguments(true) }}) throws VerificationException {
        verify({{ self.arguments(false) }}, Instant.now());
    }
    {%- endif %}

    /** Throws unless the secret made the request. The headers may have their names in any case. */
    public static void verify({{ self.arguments(true) }}{% if model.needs_now() %}, Instant now{% endif %}) throws VerificationException {
        if (secret.isEmpty()) {
            throw new IllegalArgumentException("the secret is empty: anybody could sign with it");
        }
        Map<String, String> anyCase = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
        anyCase.putAll(headers);
        {%- for read in model.reads %}
        String {{ self.variable(read.field) }} = {{ self.reading(read) }};
        {%- if let Some(parts) = read.parts %}
        Matcher {{ self.variable(read.field) }}Parts = parts({{ self.literal(parts.pattern.as_str()) }}, {{ self.variable(read.field) }}, {{ self.literal(read.source.describe().as_str()) }});
        {%- for field in parts.fields %}
        String {{ self.variable(field) }} = {{ self.variable(read.field) }}Parts.group({{ loop.index }});
        {%- endfor %}
        {%- endif %}
        {%- endfor %}
        {%- if let Some(key) = model.key %}
        byte[] key = {{ self.key(key) }};
        {%- endif %}
        {%- if !model.any_of.is_empty() %}
        if (!({{ self.are_there(model.any_of.iter()) }})) {
            throw new VerificationException("nothing in the request proves where it comes from");
        }
        {%- endif %}
        {%- for proof in model.proofs %}
        {%- if let Some((name, signed)) = proof.signed %}
        byte[] {{ self.variable(name) }} = {{ self.bytes(signed) }};
        {%- endif %}
        {%- if proof.has_several() %}
        // While a secret is rotated there is a signature for each; one that fits is enough.
        {%- endif %}
        String {{ self.variable(proof.name) }} = {{ self.text(proof.expected) }};
        if ({% if proof.is_optional %}{{ self.are_there(proof.fields()) }} && {% endif %}{{ self.refused(proof) }}) {
            throw new VerificationException({{ self.literal(proof.refusal()) }});
        }
        {%- endfor %}
        {%- for follow in model.follows %}
        if ({% if follow.is_optional %}!{{ self.variable(follow.field) }}.isEmpty() && {% endif %}!same({{ self.text(follow.expected) }}, {{ self.variable(follow.field) }})) {
            throw new VerificationException({{ self.literal(model.refusal(follow.field.as_str()).as_str()) }});
        }
        {%- endfor %}
        {%- for time in model.times %}
        {%- if time.is_optional %}
        if (!{{ self.variable(time.field) }}.isEmpty()) {
            {{ time.form.checker() }}({{ self.variable(time.field) }}, now);
        }
        {%- else %}
        {{ time.form.checker() }}({{ self.variable(time.field) }}, now);
        {%- endif %}
        {%- endfor %}
        {%- if let Some(token) = model.token %}
        {%- let field = self.variable(token.field) %}
        {%- if !token.before.is_empty() %}
        if (!{{ field }}.startsWith({{ self.literal(token.before.as_str()) }})) {
            throw new VerificationException("the token does not start as it should");
        }
        String[] token = without({{ field }}, {{ self.literal(token.before.as_str()) }}).split("\\.", -1);
        {%- else %}
        String[] token = {{ field }}.split("\\.", -1);
        {%- endif %}
        if (token.length != 3) {
            throw new VerificationException("the token is not a JWT");
        }
        // The token does not choose its algorithm: "none" would be one.
        if (!{{ self.literal(token.algorithm) }}.equals(claim(decoded(token[0]), "alg"))) {
            throw new VerificationException("the token's algorithm is not {{ token.algorithm }}");
        }
        String signed = token[0] + "." + token[1];
        if (!same(Base64.getUrlEncoder().withoutPadding().encodeToString({{ self.token_mac(token) }}), token[2])) {
            throw new VerificationException("the token's signature does not fit the secret");
        }
        String claims = decoded(token[1]);
        if (member(claims, "exp") != null && Double.parseDouble(claim(claims, "exp")) <= now.getEpochSecond()) {
            throw new VerificationException("the token has expired");
        }
        if (member(claims, "nbf") != null && Double.parseDouble(claim(claims, "nbf")) > now.plus(TOLERANCE).getEpochSecond()) {
            throw new VerificationException("the token is not valid yet");
        }
        {%- for claim in token.claims %}
        {%- let name = self.literal(claim.name.as_str()) %}
        {%- if !claim.is_optional %}
        if (member(claims, {{ name }}) == null) {
            throw new VerificationException({{ self.literal(claim.missing().as_str()) }});
        }
        {%- endif %}
        {%- match claim.rule %}
        {%- when Rule::Present %}
        {%- when Rule::Constant(json) %}
        if ({% if claim.is_optional %}member(claims, {{ name }}) != null && {% endif %}!{{ self.literal(json) }}.equals(member(claims, {{ name }}))) {
            throw new VerificationException({{ self.literal(claim.wrong().as_str()) }});
        }
        {%- when Rule::Time(form) %}
        {%- if claim.is_optional %}
        if (member(claims, {{ name }}) != null) {
            {{ form.checker() }}(claim(claims, {{ name }}), now);
        }
        {%- else %}
        {{ form.checker() }}(claim(claims, {{ name }}), now);
        {%- endif %}
        {%- when Rule::Follows(value) %}
        if ({% if claim.is_optional %}member(claims, {{ name }}) != null && {% endif %}!same({{ self.text(value) }}, claim(claims, {{ name }}))) {
            throw new VerificationException({{ self.literal(claim.wrong().as_str()) }});
        }
        {%- endmatch %}
        {%- endfor %}
        {%- endif %}
    }
    {%- if self.uses("required(") %}

    private static String required(Map<String, String> headers, String name) throws VerificationException {
        String value = headers.get(name);
        if (value == null) {
            throw new VerificationException("the header " + name + " is missing");
        }
        return value;
    }
    {%- endif %}
    {%- if self.uses("parts(") %}

    private static Matcher parts(String pattern, String text, String place) throws VerificationException {
        Matcher found = Pattern.compile(pattern, Pattern.DOTALL).matcher(text);
        if (!found.matches()) {
            throw new VerificationException(place + " is not in its form");
        }
        return found;
    }
    {%- endif %}
    {%- if self.uses("join(") %}

    private static byte[] join(byte[]... parts) {
        ByteArrayOutputStream joined = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            joined.writeBytes(part);
        }
        return joined.toByteArray();
    }
    {%- endif %}
    {%- if self.uses("hmac(") %}

    private static byte[] hmac(String algorithm, byte[] key, byte[] text) {
        try {
            Mac mac = Mac.getInstance(algorithm);
            mac.init(new SecretKeySpec(key, algorithm));
            return mac.doFinal(text);
        } catch (GeneralSecurityException impossible) {
            throw new IllegalStateException(impossible);
        }
    }
    {%- endif %}
    {%- if self.uses("digest(") %}

    private static byte[] digest(String algorithm, byte[] text) {
        try {
            return MessageDigest.getInstance(algorithm).digest(text);
        } catch (GeneralSecurityException impossible) {
            throw new IllegalStateException(impossible);
        }
    }
    {%- endif %}
    {%- if self.uses("same(") %}

    /** In constant time: how long it takes must not tell how much of a guess is right. */
    private static boolean same(String expected, String shown) {
        return MessageDigest.isEqual(expected.getBytes(StandardCharsets.UTF_8), shown.getBytes(StandardCharsets.UTF_8));
    }
    {%- endif %}
    {%- if self.uses("sameAsOne(") %}

    private static boolean sameAsOne(String expected, String[] shown) {
        boolean found = false;
        for (String one : shown) {
            found |= same(expected, one);
        }
        return found;
    }
    {%- endif %}
    {%- for form in model.forms() %}

    private static void {{ form.checker() }}(String text, Instant now) throws VerificationException {
        Duration age;
        try {
            {%- match form %}
            {%- when TimeForm::Unix %}
            age = Duration.between(Instant.ofEpochSecond(Long.parseLong(text)), now);
            {%- when TimeForm::UnixMs %}
            age = Duration.between(Instant.ofEpochMilli(Long.parseLong(text)), now);
            {%- when TimeForm::Rfc3339 %}
            age = Duration.between(OffsetDateTime.parse(text).toInstant(), now);
            {%- when TimeForm::HttpDate %}
            age = Duration.between(ZonedDateTime.parse(text, DateTimeFormatter.RFC_1123_DATE_TIME).toInstant(), now);
            {%- endmatch %}
        } catch (NumberFormatException | DateTimeException notTime) {
            throw new VerificationException(text + " is not a time");
        }
        if (age.abs().compareTo(TOLERANCE) > 0) {
            throw new VerificationException("the request is " + age.abs().toSeconds() + " s too " + (age.isNegative() ? "new" : "old"));
        }
    }
    {%- endfor %}
    {%- if self.uses("without(") %}

    private static String without(String text, String prefix) {
        return text.startsWith(prefix) ? text.substring(prefix.length()) : text;
    }
    {%- endif %}
    {%- if self.uses("pathOf(") %}

    private static String pathOf(String url) {
        String path = URI.create(url).getRawPath();
        return path == null || path.isEmpty() ? "/" : path;
    }
    {%- endif %}
    {%- if self.uses("queryOf(") %}

    private static String queryOf(String url) {
        String query = URI.create(url).getRawQuery();
        return query == null ? "" : query;
    }
    {%- endif %}
    {%- if self.uses("decoded(") %}

    private static String decoded(String part) throws VerificationException {
        try {
            return new String(Base64.getUrlDecoder().decode(part), StandardCharsets.UTF_8);
        } catch (IllegalArgumentException notBase64) {
            throw new VerificationException("the token is not a JWT");
        }
    }

    private static String claim(String json, String name) throws VerificationException {
        try {
            return textOf(member(json, name));
        } catch (RuntimeException malformed) {
            throw new VerificationException("the token is not a JWT");
        }
    }
    {%- endif %}
    {%- if self.uses("inBody(") %}

    private static String inBody(byte[] body, boolean isRequired, String... path) throws VerificationException {
        try {
            String value = new String(body, StandardCharsets.UTF_8).trim();
            for (String step : path) {
                value = value == null ? null : member(value, step);
            }
            if (value != null || !isRequired) {
                return value == null ? "" : textOf(value);
            }
        } catch (RuntimeException malformed) {
            throw new VerificationException("the body is not JSON");
        }
        throw new VerificationException("the body has no " + String.join(".", path));
    }
    {%- endif %}
    {%- if self.uses("member(") %}

    /** The JSON of a member of an object, or of an item of a list; null if there is none. The last of several counts. */
    private static String member(String json, String step) {
        boolean isObject = json.startsWith("{");
        String name = isObject ? null : "0";
        String found = null;
        int depth = 0, start = 1, index = 0;
        for (int at = 0; at < json.length(); at++) {
            char letter = json.charAt(at);
            if (letter == '"') {
                for (at++; json.charAt(at) != '"'; at++) {
                    at += json.charAt(at) == '\\' ? 1 : 0;
                }
            } else if (letter == '{' || letter == '[') {
                depth++;
            } else if (depth == 1 && letter == ':') {
                name = textOf(json.substring(start, at).trim());
                start = at + 1;
            } else if (depth == 1 && (letter == ',' || letter == '}' || letter == ']')) {
                if (step.equals(name)) {
                    found = json.substring(start, at).trim();
                }
                name = isObject ? null : String.valueOf(++index);
                start = at + 1;
                depth -= letter == ',' ? 0 : 1;
            } else if (letter == '}' || letter == ']') {
                depth--;
            }
        }
        return found;
    }

    /** The text of a JSON string, and any other JSON as it is. */
    private static String textOf(String json) {
        if (json == null || !json.startsWith("\"")) {
            return json == null ? "" : json;
        }
        StringBuilder text = new StringBuilder();
        for (int at = 1; at < json.length() - 1; at++) {
            char letter = json.charAt(at);
            if (letter == '\\') {
                letter = json.charAt(++at);
                int known = "bfnrt".indexOf(letter);
                if (known >= 0) {
                    letter = "\b\f\n\r\t".charAt(known);
                } else if (letter == 'u') {
                    letter = (char) Integer.parseInt(json.substring(at + 1, at + 5), 16);
                    at += 4;
                }
            }
            text.append(letter);
        }
        return text.toString();
    }
    {%- endif %}
}
