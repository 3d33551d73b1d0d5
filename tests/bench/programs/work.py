"""What scripts do: text, dictionaries, sorting, classes, closures, big numbers, JSON."""

import json
import re
import sys
import zlib


class Account:
    def __init__(self, name):
        self.name, self.balance, self.log = name, 0, []

    def add(self, amount):
        self.balance += amount
        if amount % 7 == 0:
            self.log.append(amount)
        return self

    def __lt__(self, other):
        return (self.balance, self.name) < (other.balance, other.name)


def primes(limit):
    found = []
    for n in range(2, limit):
        if all(n % p for p in found if p * p <= n):
            found.append(n)
    return found


def main():
    with open(sys.argv[1], encoding="ascii") as file:
        text = file.read()[:400000]
    counts = {}
    for word in re.findall(r"[a-z]+", text.lower()):
        counts[word] = counts.get(word, 0) + 1
    accounts = {}
    for i, line in enumerate(text.splitlines()):
        for word in line.split()[:6]:
            accounts.setdefault(word[:3], Account(word[:3])).add(len(word) * i % 1000)
    order = sorted(accounts.values())
    common = sorted(counts, key=lambda word: (-counts[word], word))[:500]
    packed = json.dumps([{"word": word, "count": counts[word], "back": word[::-1]} for word in common])
    total = sum(len(entry["back"]) * entry["count"] for entry in json.loads(packed))
    factorial = 1
    for n in range(2, 600):
        factorial *= n
    result = (total, [a.name for a in order[:9]], sum(primes(6000)), factorial % 1000003,
              sum(float(n) ** 0.5 // 1 for n in range(20000)), zlib.crc32(packed.encode()))
    print(*result, len(order), sum(len(a.log) for a in order))


main()
