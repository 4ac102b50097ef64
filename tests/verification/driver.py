"""Calls generated Python code: driver.py FOLDER CASES. See README.md."""

import base64
import importlib.util
import pathlib
import sys


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(folder, cases):
    modules = {path.stem: load(path) for path in pathlib.Path(folder).glob("*.py")}
    for line in pathlib.Path(cases).read_text().splitlines():
        contract, arguments, now, *rest = line.split("\t")
        secret, body, url, method, *headers = (base64.b64decode(field) for field in rest)
        names, values = headers[::2], headers[1::2]
        headers = {name.decode(): value.decode() for name, value in zip(names, values)}
        given = {"url": url.decode(), "method": method.decode(), "now": now}
        wanted = [name for name in arguments.split(",") if name != "-"]
        more = [given[name] for name in wanted] + ([] if now == "-" else [int(now)])
        module = modules[contract]
        try:
            module.verify(secret.decode(), headers, body, *more)
            print("genuine")
        except module.VerificationError as refusal:
            print("refused", refusal)


main(*sys.argv[1:])
