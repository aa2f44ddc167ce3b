"""Nothing but password hashes: what W5 is measured against. Reads seconds from standard input."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

from pwdlib.hashers.argon2 import Argon2Hasher

THREADS = 2
PASSWORD = b"a long and quiet river"


def main() -> None:
    """For each line, verify for so long in as many threads as the product has, and print how many."""
    argon2 = Argon2Hasher(time_cost=2, memory_cost=19_456, parallelism=1)
    stored = argon2.hash(PASSWORD)

    def verify_until(until: float) -> int:
        verified = 0
        while time.perf_counter() < until:
            argon2.verify(PASSWORD, stored)
            verified += 1
        return verified

    with ThreadPoolExecutor(THREADS) as threads:
        for line in sys.stdin:
            started, cpu = time.perf_counter(), time.process_time()
            counts = list(threads.map(verify_until, [started + float(line)] * THREADS))
            print(sum(counts), time.perf_counter() - started, time.process_time() - cpu, flush=True)


if __name__ == "__main__":
    main()
