<?php
// Calls generated PHP code: driver.php FOLDER CASES. See README.md.

set_error_handler(function (int $level, string $message, string $file, int $line): never {
    throw new ErrorException($message, 0, $level, $file, $line);
});

[, $folder, $cases] = $argv;
foreach (glob("$folder/*.php") as $file) {
    // All of them name their classes alike, so each gets a namespace of its own.
    $name = basename($file, ".php");
    eval("namespace $name;" . substr(file_get_contents($file), strlen("<?php")));
}

foreach (file($cases, FILE_IGNORE_NEW_LINES) as $line) {
    $fields = explode("\t", $line);
    [$contract, $wanted, $now, $secret, $body, $url, $method] = $fields;
    $headers = [];
    foreach (array_chunk(array_map("base64_decode", array_slice($fields, 7)), 2) as [$header, $value]) {
        $headers[$header] = $value;
    }
    $given = ["url" => base64_decode($url), "method" => base64_decode($method)];
    $more = array_values(array_intersect_key($given, array_flip(explode(",", $wanted))));
    if ($now !== "-") {
        $more[] = (int) $now;
    }
    try {
        ("\\$contract\\WebhookVerifier")::verify(base64_decode($secret), $headers, base64_decode($body), ...$more);
        echo "genuine\n";
    } catch (Throwable $refusal) {
        if (!is_a($refusal, "\\$contract\\VerificationException")) {
            throw $refusal;
        }
        echo "refused ", $refusal->getMessage(), "\n";
    }
}
