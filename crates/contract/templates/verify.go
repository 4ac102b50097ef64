{{ self.comment(model.heading("Go 1.19 or newer").as_str()) }}
//
//	body, _ := io.ReadAll(http.MaxBytesReader(response, request.Body, 1<<20))
//	if refusal := Verify(secret, request.Header, body{% if model.takes_url %}, url{% endif %}{% if model.takes_method %}, request.Method{% endif %}{% if model.needs_now() %}, time.Now(){% endif %}); refusal != nil {
//		http.Error(response, refusal.Error(), http.StatusUnauthorized)
//		return
//	}
//
{%- for note in model.notes() %}
{{ self.comment(note.as_str()) }}
{%- endfor %}
package webhooks

import (
{%- for package in self.imports() %}
	"{{ package }}"
{%- endfor %}
)
{%- if model.needs_now() %}

// How far the time of a request may be from yours. It bounds how long a recorded request can be sent again.
const tolerance = {{ model.tolerance_secs }} * time.Second
{%- endif %}

// VerificationError says why a request is not genuine.
type VerificationError string

func (refusal VerificationError) Error() string { return string(refusal) }

// Verify returns a VerificationError unless the secret made the request. Another error means that the secret cannot be used.
{%- if model.needs_now() %}
// A zero time stands for the time of this machine.
{%- endif %}
func Verify({{ self.arguments() }}) error {
	if secret == "" {
		return errors.New("the secret is empty: anybody could sign with it")
	}
	{%- if model.needs_now() %}
	if now.IsZero() {
		now = time.Now()
	}
	{%- endif %}
	{%- for read in model.reads %}
	{{ self.reading(read) }}
	{%- if read.may_fail() %}
	if err != nil {
		return err
	}
	{%- endif %}
	{%- if let Some(parts) = read.parts %}
	{{ self.variable(read.field) }}Parts, err := parts({{ self.literal(parts.pattern.as_str()) }}, {{ self.variable(read.field) }}, {{ self.literal(read.source.describe().as_str()) }})
	if err != nil {
		return err
	}
	{%- for field in parts.fields %}
	{{ self.variable(field) }} := {{ self.variable(read.field) }}Parts[{{ loop.index }}]
	{%- endfor %}
	{%- endif %}
	{%- endfor %}
	{%- if model.key.is_some() %}
	key, err := keyOf(secret)
	if err != nil {
		return err
	}
	{%- endif %}
	{%- if !model.any_of.is_empty() %}
	if !({{ self.are_there(model.any_of.iter()) }}) {
		return VerificationError("nothing in the request proves where it comes from")
	}
	{%- endif %}
	{%- for proof in model.proofs %}
	{%- if let Some((name, signed)) = proof.signed %}
	{{ self.variable(name) }} := {{ self.bytes(signed) }}
	{%- endif %}
	{%- if proof.has_several() %}
	// While a secret is rotated there is a signature for each; one that fits is enough.
	{%- endif %}
	{{ self.variable(proof.name) }} := {{ self.text(proof.expected) }}
	if {% if proof.is_optional %}{{ self.are_there(proof.fields()) }} && {% endif %}{{ self.refused(proof) }} {
		return VerificationError({{ self.literal(proof.refusal()) }})
	}
	{%- endfor %}
	{%- for follow in model.follows %}
	if {% if follow.is_optional %}{{ self.variable(follow.field) }} != "" && {% endif %}!same({{ self.text(follow.expected) }}, {{ self.variable(follow.field) }}) {
		return VerificationError({{ self.literal(model.refusal(follow.field.as_str()).as_str()) }})
	}
	{%- endfor %}
	{%- for time in model.times %}
	{%- if time.is_optional %}
	if {{ self.variable(time.field) }} != "" {
		if err := {{ time.form.checker() }}({{ self.variable(time.field) }}, now); err != nil {
			return err
		}
	}
	{%- else %}
	if err := {{ time.form.checker() }}({{ self.variable(time.field) }}, now); err != nil {
		return err
	}
	{%- endif %}
	{%- endfor %}
	{%- if let Some(token) = model.token %}
	{%- let field = self.variable(token.field) %}
	{%- if !token.before.is_empty() %}
	if !strings.HasPrefix({{ field }}, {{ self.literal(token.before.as_str()) }}) {
		return VerificationError("the token does not start as it should")
	}
	{%- endif %}
	{%- if token.before.is_empty() %}
	token := strings.Split({{ field }}, ".")
	{%- else %}
	token := strings.Split(strings.TrimPrefix({{ field }}, {{ self.literal(token.before.as_str()) }}), ".")
	{%- endif %}
	if len(token) != 3 {
		return VerificationError("the token is not a JWT")
	}
	// The token does not choose its algorithm: "none" would be one.
	if textOf(membersOf(token[0])["alg"]) != {{ self.literal(token.algorithm) }} {
		return VerificationError("the token's algorithm is not {{ token.algorithm }}")
	}
	signed := token[0] + "." + token[1]
	if !same(base64.RawURLEncoding.EncodeToString({{ self.token_mac(token) }}), token[2]) {
		return VerificationError("the token's signature does not fit the secret")
	}
	claims := membersOf(token[1])
	if expires, err := strconv.ParseFloat(textOf(claims["exp"]), 64); err == nil && expires <= float64(now.Unix()) {
		return VerificationError("the token has expired")
	}
	if starts, err := strconv.ParseFloat(textOf(claims["nbf"]), 64); err == nil && starts > float64(now.Add(tolerance).Unix()) {
		return VerificationError("the token is not valid yet")
	}
	{%- for claim in token.claims %}
	{%- let name = self.literal(claim.name.as_str()) %}
	{%- if !claim.is_optional %}
	if claims[{{ name }}] == nil {
		return VerificationError({{ self.literal(claim.missing().as_str()) }})
	}
	{%- endif %}
	{%- match claim.rule %}
	{%- when Rule::Present %}
	{%- when Rule::Constant(json) %}
	if {% if claim.is_optional %}claims[{{ name }}] != nil && {% endif %}string(claims[{{ name }}]) != {{ self.literal(json) }} {
		return VerificationError({{ self.literal(claim.wrong().as_str()) }})
	}
	{%- when Rule::Time(form) %}
	if err := {{ form.checker() }}(textOf(claims[{{ name }}]), now); {% if claim.is_optional %}claims[{{ name }}] != nil && {% endif %}err != nil {
		return err
	}
	{%- when Rule::Follows(value) %}
	if {% if claim.is_optional %}claims[{{ name }}] != nil && {% endif %}!same({{ self.text(value) }}, textOf(claims[{{ name }}])) {
		return VerificationError({{ self.literal(claim.wrong().as_str()) }})
	}
	{%- endmatch %}
	{%- endfor %}
	{%- endif %}
	return nil
}
{%- if let Some(key) = model.key %}

// keyOf returns the key that the secret stands for.
func keyOf(secret string) ([]byte, error) {
	{%- if key.encoding == SecretEncoding::Text %}
	decoded := {{ self.decoding(key) }}
	{%- else %}
	decoded, err := {{ self.decoding(key) }}
	if err != nil {
		return nil, fmt.Errorf("the secret is not valid {{ key.encoding }}: %w", err)
	}
	{%- endif %}
	{%- if key.prefix.is_empty() && key.suffix.is_empty() %}
	return decoded, nil
	{%- else %}
	return []byte({{ self.literal(key.prefix.as_str()) }} + string(decoded) + {{ self.literal(key.suffix.as_str()) }}), nil
	{%- endif %}
}
{%- endif %}
{%- if self.uses("required(") %}

func required(headers http.Header, name string) (string, error) {
	if len(headers.Values(name)) == 0 {
		return "", VerificationError("the header " + name + " is missing")
	}
	return headers.Get(name), nil
}
{%- endif %}
{%- if self.uses("parts(") %}

func parts(pattern, text, place string) ([]string, error) {
	found := regexp.MustCompile("(?s)^(?:" + pattern + ")$").FindStringSubmatch(text)
	if found == nil {
		return nil, VerificationError(place + " is not in its form")
	}
	return found, nil
}
{%- endif %}
{%- if self.uses("inBody(") %}

func inBody(body []byte, isRequired bool, path ...string) (string, error) {
	value := json.RawMessage(body)
	for _, step := range path {
		var members map[string]json.RawMessage
		var items []json.RawMessage
		index, notIndex := strconv.Atoi(step)
		switch {
		case json.Unmarshal(value, &members) == nil && members[step] != nil:
			value = members[step]
		case notIndex == nil && json.Unmarshal(value, &items) == nil && index < len(items):
			value = items[index]
		case isRequired:
			return "", VerificationError("the body has no " + strings.Join(path, "."))
		default:
			return "", nil
		}
	}
	return textOf(value), nil
}
{%- endif %}
{%- if self.uses("membersOf(") %}

// membersOf returns the members of a part of a token, or none if it is not JSON.
func membersOf(part string) map[string]json.RawMessage {
	var members map[string]json.RawMessage
	decoded, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil || json.Unmarshal(decoded, &members) != nil {
		return nil
	}
	return members
}
{%- endif %}
{%- if self.uses("textOf(") %}

// textOf returns the text of a JSON string, and any other JSON as it is.
func textOf(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return text
	}
	return string(value)
}
{%- endif %}
{%- if self.uses(" mac(") || self.uses("(mac(") %}

func mac(hashed func() hash.Hash, key, text []byte) []byte {
	signer := hmac.New(hashed, key)
	signer.Write(text)
	return signer.Sum(nil)
}
{%- endif %}
{%- if self.uses("digest(") %}

func digest(hashed func() hash.Hash, text []byte) []byte {
	hasher := hashed()
	hasher.Write(text)
	return hasher.Sum(nil)
}
{%- endif %}
{%- if self.uses("same(") %}

// same compares in constant time: how long it takes must not tell how much of a guess is right.
func same(expected, shown string) bool {
	return hmac.Equal([]byte(expected), []byte(shown))
}
{%- endif %}
{%- if self.uses("sameAsOne(") %}

func sameAsOne(expected string, shown []string) bool {
	found := false
	for _, one := range shown {
		found = same(expected, one) || found
	}
	return found
}
{%- endif %}
{%- for form in model.forms() %}

func {{ form.checker() }}(text string, now time.Time) error {
	{%- match form %}
	{%- when TimeForm::Unix %}
	seconds, err := strconv.ParseInt(text, 10, 64)
	sent := time.Unix(seconds, 0)
	{%- when TimeForm::UnixMs %}
	milliseconds, err := strconv.ParseInt(text, 10, 64)
	sent := time.UnixMilli(milliseconds)
	{%- when TimeForm::Rfc3339 %}
	sent, err := time.Parse(time.RFC3339, text)
	{%- when TimeForm::HttpDate %}
	sent, err := http.ParseTime(text)
	{%- endmatch %}
	if err != nil {
		return VerificationError(text + " is not a time")
	}
	if age := now.Sub(sent); age > tolerance || age < -tolerance {
		return VerificationError(fmt.Sprintf("the request was sent %v ago, which is further than %v from now", age, tolerance))
	}
	return nil
}
{%- endfor %}
{%- if self.uses("parsed(") %}

func parsed(rawURL string) *url.URL {
	parsed, err := url.Parse(rawURL)
	if err != nil {
		return &url.URL{}
	}
	return parsed
}
{%- endif %}
