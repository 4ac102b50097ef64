{{ self.comment(model.heading("Ruby 3.0 or newer").as_str()) }}
#
#     begin
#       WebhookVerifier.verify(SECRET, request.env, request.body.read{% if model.takes_url %}, request.url{% endif %}{% if model.takes_method %}, request.request_method{% endif %})
#     rescue WebhookVerifier::VerificationError => refusal
#       halt 401, refusal.message
#     end
#
{%- for note in model.notes() %}
{{ self.comment(note.as_str()) }}
{%- endfor %}
{%- for library in self.imports() %}
require "{{ library }}"
{%- endfor %}

module WebhookVerifier
  # The request is not genuine; the message says why.
  class VerificationError < StandardError; end
  {%- if model.needs_now() %}

  # How far the time of a request may be from yours. It bounds how long a recorded request can be sent again.
  TOLERANCE_SECONDS = {{ model.tolerance_secs }}
  {%- endif %}

  class << self
    # Raises a VerificationError unless the secret made the request. The headers are a Hash from names in any case to texts, or
    # the environment of Rack.
    def verify({{ self.arguments() }})
      raise ArgumentError, "the secret is empty: anybody could sign with it" if secret.empty?
      plain = headers.to_h { |name, value| [name.to_s.downcase.tr("_", "-").delete_prefix("http-"), value] }
      body = body.b
      {%- for read in model.reads %}
      {{ read.field }} = {{ self.reading(read) }}
      {%- if let Some(parts) = read.parts %}
      {% for field in parts.fields %}{{ field }}, {% endfor %}= parts({{ self.literal(parts.pattern.as_str()) }}, {{ read.field }}, {{ self.literal(read.source.describe().as_str()) }})
      {%- endif %}
      {%- endfor %}
      {%- if let Some(key) = model.key %}
      key = {{ self.key(key) }}
      {%- endif %}
      {%- if !model.any_of.is_empty() %}
      unless {{ self.are_there(model.any_of.iter()) }}
        raise VerificationError, "nothing in the request proves where it comes from"
      end
      {%- endif %}
      {%- for proof in model.proofs %}
      {%- if let Some((name, signed)) = proof.signed %}
      {{ name }} = {{ self.bytes(signed) }}
      {%- endif %}
      {%- if proof.has_several() %}
      # While a secret is rotated there is a signature for each; one that fits is enough.
      {%- endif %}
      {{ proof.name }} = {{ self.text(proof.expected) }}
      if {% if proof.is_optional %}{{ self.are_there(proof.fields()) }} && {% endif %}{{ self.refused(proof) }}
        raise VerificationError, {{ self.literal(proof.refusal()) }}
      end
      {%- endfor %}
      {%- for follow in model.follows %}
      if {% if follow.is_optional %}{{ follow.field }} != "" && {% endif %}!same?({{ self.text(follow.expected) }}, {{ follow.field }})
        raise VerificationError, {{ self.literal(model.refusal(follow.field.as_str()).as_str()) }}
      end
      {%- endfor %}
      {%- for time in model.times %}
      check_{{ time.form.name() }}({{ time.field }}, now){% if time.is_optional %} if {{ time.field }} != ""{% endif %}
      {%- endfor %}
      {%- if let Some(token) = model.token %}
      {%- if !token.before.is_empty() %}
      unless {{ token.field }}.start_with?({{ self.literal(token.before.as_str()) }})
        raise VerificationError, "the token does not start as it should"
      end
      {%- endif %}
      signed, _, signature = {{ token.field }}{% if !token.before.is_empty() %}.delete_prefix({{ self.literal(token.before.as_str()) }}){% endif %}.rpartition(".")
      begin
        header, claims = signed.split(".").map { |part| JSON.parse(part.tr("-_", "+/").unpack1("m")) }
        algorithm = header.fetch("alg")
      rescue JSON::ParserError, NoMethodError, KeyError, TypeError, EncodingError
        raise VerificationError, "the token is not a JWT"
      end
      # The token does not choose its algorithm: "none" would be one.
      if algorithm != {{ self.literal(token.algorithm) }}
        raise VerificationError, "the token's algorithm is not {{ token.algorithm }}"
      end
      unless same?([{{ self.token_mac(token) }}].pack("m0").tr("+/", "-_").delete("="), signature)
        raise VerificationError, "the token's signature does not fit the secret"
      end
      if claims.key?("exp") && claims["exp"] <= now.to_f
        raise VerificationError, "the token has expired"
      end
      if claims.key?("nbf") && claims["nbf"] > now.to_f + TOLERANCE_SECONDS
        raise VerificationError, "the token is not valid yet"
      end
      {%- for claim in token.claims %}
      {%- let name = self.literal(claim.name.as_str()) %}
      {%- if !claim.is_optional %}
      unless claims.key?({{ name }})
        raise VerificationError, {{ self.literal(claim.missing().as_str()) }}
      end
      {%- endif %}
      {%- match claim.rule %}
      {%- when Rule::Present %}
      {%- when Rule::Constant(json) %}
      if {% if claim.is_optional %}claims.key?({{ name }}) && {% endif %}JSON.generate(claims[{{ name }}]) != {{ self.literal(json) }}
        raise VerificationError, {{ self.literal(claim.wrong().as_str()) }}
      end
      {%- when Rule::Time(form) %}
      check_{{ form.name() }}(claims[{{ name }}].to_s, now){% if claim.is_optional %} if claims.key?({{ name }}){% endif %}
      {%- when Rule::Follows(value) %}
      if {% if claim.is_optional %}claims.key?({{ name }}) && {% endif %}!same?({{ self.text(value) }}, claims[{{ name }}].to_s)
        raise VerificationError, {{ self.literal(claim.wrong().as_str()) }}
      end
      {%- endmatch %}
      {%- endfor %}
      {%- endif %}
    end

    private
    {%- if self.uses("required(") %}

    def required(headers, name)
      headers.fetch(name) { raise VerificationError, "the header #{name} is missing" }
    end
    {%- endif %}
    {%- if self.uses("parts(") %}

    def parts(pattern, text, place)
      found = Regexp.new("\\A(?:#{pattern})\\z", Regexp::MULTILINE).match(text)
      raise VerificationError, "#{place} is not in its form" unless found
      found.captures
    end
    {%- endif %}
    {%- if self.uses("in_body(") %}

    def in_body(body, path, is_required)
      value = path.reduce(JSON.parse(body)) { |inner, step| inner.fetch(step) }
      value.is_a?(String) ? value : JSON.generate(value)
    rescue JSON::ParserError, NoMethodError, IndexError, TypeError, EncodingError
      raise VerificationError, "the body has no #{path.join(".")}" if is_required
      ""
    end
    {%- endif %}
    {%- if self.uses("same?(") %}

    # In constant time: how long it takes must not tell how much of a guess is right.
    def same?(expected, shown)
      OpenSSL.secure_compare(expected.b, shown.b)
    end
    {%- endif %}
    {%- for form in model.forms() %}

    def check_{{ form.name() }}(text, now)
      begin
        {%- match form %}
        {%- when TimeForm::Unix %}
        sent = Integer(text, 10).to_f
        {%- when TimeForm::UnixMs %}
        sent = Integer(text, 10) / 1000.0
        {%- when TimeForm::Rfc3339 %}
        sent = Time.iso8601(text).to_f
        {%- when TimeForm::HttpDate %}
        sent = Time.httpdate(text).to_f
        {%- endmatch %}
      rescue ArgumentError
        raise VerificationError, "#{text} is not a time"
      end
      age = now.to_f - sent
      raise VerificationError, "the request is #{age.abs.round} s too #{age.positive? ? "old" : "new"}" if age.abs > TOLERANCE_SECONDS
    end
    {%- endfor %}
  end
end
