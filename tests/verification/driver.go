// Calls generated Go code: driver FOLDER CASES. See README.md. The test writes `registry.go`, which knows each contract's code.
package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// verifier calls the code of one contract with what it takes of these.
type verifier func(secret string, headers http.Header, body []byte, url, method string, now time.Time) (err error, isRefusal bool)

func main() {
	file, err := os.Open(os.Args[2])
	if err != nil {
		panic(err)
	}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		fields := strings.Split(lines.Text(), "\t")
		texts := make([]string, len(fields))
		for index := 3; index < len(fields); index++ {
			text, err := base64.StdEncoding.DecodeString(fields[index])
			if err != nil {
				panic(err)
			}
			texts[index] = string(text)
		}
		seconds, _ := strconv.ParseInt(fields[2], 10, 64)
		headers := http.Header{}
		for index := 7; index < len(texts); index += 2 {
			headers.Add(texts[index], texts[index+1])
		}
		err, isRefusal := verifiers[fields[0]](texts[3], headers, []byte(texts[4]), texts[5], texts[6], time.Unix(seconds, 0))
		switch {
		case err == nil:
			fmt.Println("genuine")
		case isRefusal:
			fmt.Println("refused", err)
		default:
			panic(err)
		}
	}
	if err := lines.Err(); err != nil {
		panic(err)
	}
}
