"""Vowpal Wabbit on the visitors and offers of the engine's benchmark: how long one prediction takes.

    vw.py OFFERS...

The same 40 facts for each visitor, offers with their group as features of the action, facts crossed with them, and the
best setting of the learning benchmark's search. Examples are parsed before they are timed, so no text is read in the
time that counts; each line on stdout is `vw decide OFFERS NANOSECONDS`.
"""

import sys
import time

import vowpalwabbit

ATTRIBUTES, VALUES, VISITORS = 40, 10, 256
TAUGHT, SECONDS = 300, 3.0


def fact(visitor, at):
    value = (visitor * 2_654_435_761 + at * 40_503 >> 7) % VALUES
    return f"number{at}={value}" if at % 2 == 0 else f"word{at}=word{value}"


def shared(visitor):
    return "shared |U " + " ".join(fact(visitor, at) for at in range(ATTRIBUTES))


def action(offer):
    return f"|A offer={offer} group={offer // 25}"


def measure(offers):
    workspace = vowpalwabbit.Workspace("--cb_explore_adf --quiet -b 24 --squarecb --gamma_scale 3000 -q UA -l 0.1")
    for at in range(TAUGHT):
        label = f"0:{-1 if at % 30 == 0 else 0}:{1 / offers} "
        chosen = at % offers
        lines = [shared(at)] + [(label if offer == chosen else "") + action(offer) for offer in range(offers)]
        workspace.learn(lines)
    actions = [workspace.example(action(offer)) for offer in range(offers)]
    visitors = [workspace.example(shared(visitor)) for visitor in range(VISITORS)]
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < SECONDS:
        workspace.predict([visitors[done % VISITORS], *actions])
        done += 1
    print("vw decide", offers, round((time.perf_counter() - started) / done * 1e9), flush=True)


for offers in sys.argv[1:]:
    measure(int(offers))
