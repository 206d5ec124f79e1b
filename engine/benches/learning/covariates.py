"""Real customers as a CSV file for the benchmark: an insurer's 9,822 households from an R data file.

    covariates.py TICDATA.rda OUT.csv

Levels of ordered factors ("1 - 10%") become their number, the others stay words. Attributes that describe nearly
nobody, and those that another one implies, are left out.
"""

import csv
import sys

import rdata

NUMBERS = [
    "MAANTHUI", "MGEMOMV", "MGEMLEEF", "MGODPR", "MRELGE", "MFALLEEN", "MFWEKIND", "MOPLHOOG", "MOPLLAAG", "MBERHOOG",
    "MBERMIDD", "MBERARBO", "MSKA", "MSKC", "MHHUUR", "MAUT1", "MZFONDS", "MINKM30", "MINK4575", "MKOOPKLA",
    "PWAPART", "PPERSAUT", "PBRAND",
]
WORDS = ["MOSHOOFD"]


def number(column):
    return column.cat.codes if hasattr(column, "cat") else column.astype(int)


def main():
    source, target = sys.argv[1:]
    table = rdata.read_rda(source)["ticdata"]
    columns = [number(table[name]) for name in NUMBERS]
    for name in WORDS:
        columns.append(table[name].astype(str).str.replace(",", ""))
    with open(target, "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow([f"{name}:number" for name in NUMBERS] + [f"{name}:word" for name in WORDS])
        out.writerows(zip(*columns))


if __name__ == "__main__":
    main()
