# Calls generated Ruby code: driver.rb FOLDER CASES. See README.md.

folder, cases = ARGV
verifiers = Dir.glob("*.rb", base: folder).to_h do |file|
  around = Module.new
  load(File.join(folder, file), around)
  [File.basename(file, ".rb"), around.const_get(:WebhookVerifier)]
end

File.foreach(cases, chomp: true) do |line|
  contract, wanted, now, *rest = line.split("\t", -1)
  secret, body, url, method, *pairs = rest.map { |field| +field.unpack1("m") }
  secret.force_encoding("UTF-8")
  headers = pairs.each_slice(2).to_h { |name, value| [name, value.force_encoding("UTF-8")] }
  given = { "url" => url, "method" => method }
  more = wanted.split(",").filter_map { |name| given[name] }
  more << Integer(now) unless now == "-"
  verifier = verifiers.fetch(contract)
  begin
    verifier.verify(secret, headers, body.force_encoding("UTF-8"), *more)
    puts "genuine"
  rescue verifier::VerificationError => refusal
    puts "refused #{refusal.message}"
  end
end
