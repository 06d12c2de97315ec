"""What may follow a command: options, how their values read, and refusals in one line."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, HelpFormatter, Namespace
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from accelsim.units import (
    did_you_mean,
    parse_bytes,
    parse_bytes_per_s,
    parse_choice,
    parse_ns,
    parse_whole,
    quote,
)

FORMATS = ("table", "csv", "json")
SWEEP_PICTURES = ("bandwidth", "traffic", "cycles", "map", "pareto")
MAX_EXTENT = 2**20
MAX_BITS = 64


class UsageError(Exception):
    """A command line that cannot be understood; its text is the line for the user."""


class Parser(ArgumentParser):
    """argparse whose every complaint is one line that says what would be right."""

    def __init__(self, name: str, usage: str, description: str) -> None:
        super().__init__(
            prog=f"accelsim {name}",
            usage=f"accelsim {name} {usage} [options]",
            description=description,
            allow_abbrev=False,
            formatter_class=lambda prog: HelpFormatter(prog, max_help_position=32, width=100),
        )

    def error(self, message: str) -> NoReturn:
        """Raise UsageError instead of printing the usage and leaving."""
        missing = "the following arguments are required: "
        if message.startswith(missing):
            message = f"{message.removeprefix(missing)} is missing; usage: {self.usage}"
        line = " ".join(message.removeprefix("argument ").split())
        raise UsageError(f"{self.prog}: {line}")

    def read(self, arguments: Sequence[str]) -> Namespace:
        """Options and names in any order; whatever else is there is refused with a suggestion."""
        found, unknown = self.parse_known_intermixed_args(arguments)
        if not unknown:
            return found
        word = next((each for each in unknown if each.startswith("-")), unknown[0])
        option = word.partition("=")[0]
        if not option.startswith("-"):
            self.error(f"unexpected {quote(option)}; usage: {self.usage}")
        self.error(
            f"unknown option {option[:40]}; {right_word(option, self._option_string_actions)}"
        )


def right_word(word: str, known: Iterable[str]) -> str:
    """`did you mean --format`, or where all of them are shown."""
    close = did_you_mean(word, known)
    return f"did you mean {close}" if close else "--help shows all"


def add_output(parser: Parser, formats: Sequence[str] = FORMATS) -> None:
    """`--format` and `-o`; with `-o results.csv` the name says the format."""
    if len(formats) > 1:
        parser.add_argument(
            "--format",
            type=_one_of(*formats),
            metavar="|".join(formats),
            help=f"how to print (default: by the ending of -o, else {formats[0]})",
        )
    parser.add_argument("-o", "--output", metavar="FILE", help="write to FILE instead of stdout")


def add_search(parser: Parser) -> None:
    """What decides a layer's schedule and how wide its words are."""
    option = parser.add_argument
    _add_resident(parser)
    option(
        "--block",
        type=_typed(parse_block),
        default={},
        metavar="K=16,C=16",
        help="what the PE array executes as one step, over N K C P Q R S (default: one MAC)",
    )
    option(
        "--buffering",
        type=_one_of("single", "prefetch", "double"),
        default="single",
        metavar="single|prefetch|double",
        help="prefetch: the next step's words are there too; double: everything twice",
    )
    _add_widths(parser)
    _add_pass(parser)


def _add_pass(parser: Parser) -> None:
    parser.add_argument(
        "--pass",
        dest="pass_",
        type=_one_of("forward", "backward-data", "backward-weight", "training"),
        default="forward",
        metavar="PASS",
        help="forward, backward-data, backward-weight, or training: all three (default: forward)",
    )


def _add_resident(parser: Parser) -> None:
    parser.add_argument(
        "--resident",
        type=_one_of("weights", "inputs", "outputs"),
        metavar="weights|inputs|outputs",
        help="only schedules that keep this operand",
    )


def _add_objective(parser: Parser) -> None:
    parser.add_argument(
        "--objective",
        type=_one_of("cycles", "traffic", "energy", "edp"),
        default="cycles",
        metavar="cycles|traffic|energy|edp",
        help="what each layer's schedule is chosen for; edp: energy x time (default: cycles)",
    )


def _add_widths(parser: Parser) -> None:
    """How large a network's words and inputs are."""
    option = parser.add_argument
    option("--batch", type=_whole_to(MAX_EXTENT), metavar="N", help="images (default: the file's)")
    option("--bits", type=_whole_to(MAX_BITS), metavar="BITS", help="width of every operand's word")
    option("--psum-bits", type=_whole_to(MAX_BITS), metavar="BITS", help="width of a partial sum")
    option("--input", type=_typed(parse_input), metavar="CxHxW",
           help="another input size, for instance 3x1080x1920")  # fmt: skip


def add_networks(parser: Parser, how_many: str) -> None:
    """The networks, and which of their layers."""
    parser.add_argument("networks", nargs=how_many, metavar="NET", help="shipped name or YAML file")
    parser.add_argument(
        "--layer", action="append", metavar="NAME", help="only this layer or pattern (repeatable)"
    )


def add_min_sram(parser: Parser) -> None:
    """Options of `min-sram`."""
    add_networks(parser, "*")
    parser.add_argument("--all", action="store_true", help="all shipped networks")
    add_search(parser)
    parser.add_argument(
        "-a",
        "--accelerator",
        metavar="ACC",
        help="on this one's array and buffering: least SRAM that never stalls after the first fill",
    )
    parser.add_argument(
        "--at",
        type=_typed(parse_bytes_per_s),
        metavar="RATE",
        help="with -a: this DRAM bandwidth, for instance 25.6GB/s",
    )
    parser.add_argument(
        "--latency", type=_typed(parse_ns), metavar="TIME", help="with -a: this DRAM latency, 100ns"
    )
    parser.add_argument(
        "--at-most",
        type=_typed(parse_bytes),
        metavar="SIZE",
        help="exit with 3 if more than this is needed, for instance 64KiB",
    )
    parser.add_argument(
        "--replay",
        action="store_true",
        help="execute every schedule and add what was counted; exit with 3 if it differs",
    )
    parser.add_argument(
        "--families",
        action="store_true",
        help="three more columns: the least SRAM with each operand resident",
    )
    add_output(parser)


def add_frontier(parser: Parser) -> None:
    """Options of `frontier`."""
    add_networks(parser, "*")
    parser.add_argument("--all", action="store_true", help="all shipped networks")
    add_search(parser)
    parser.add_argument(
        "--sram",
        type=_typed(parse_bytes),
        metavar="SIZE",
        help="only the best at this size, a row a layer; exit with 3 if one does not fit",
    )
    parser.add_argument(
        "--convention",
        type=_one_of("exact", "padded", "orojenesis"),
        default="exact",
        metavar="exact|padded|orojenesis",
        help="padded: padding is fetched and held like any input; orojenesis: box tiles as "
        "Timeloop counts them (default: exact)",
    )
    parser.add_argument(
        "--mapping",
        metavar="FILE",
        help="count the loop nest in this YAML file for the one --layer, beside the frontier",
    )
    parser.add_argument(
        "--replay",
        action="store_true",
        help="execute every row and add what was counted; exit with 3 if it differs",
    )
    add_output(parser)
    add_panels(parser)


def add_run(parser: Parser) -> None:
    """Options of `run`."""
    add_networks(parser, "*")
    option = parser.add_argument
    option("--all", action="store_true", help="all shipped networks")
    option(
        "-a",
        "--accelerator",
        action="append",
        required=True,
        metavar="ACC",
        help="shipped name or YAML file (repeatable); all: every shipped one",
    )
    _add_objective(parser)
    option(
        "--sram",
        type=_typed(parse_bytes),
        metavar="SIZE",
        help="one shared SRAM of this size in place of the accelerator's",
    )
    option(
        "--density",
        metavar="FILE",
        help="YAML file with the layers' densities, for operands that the accelerator codes",
    )
    option(
        "--passes",
        metavar="FILE",
        help="mappings (m n e p q r t) of layers on a row stationary array, YAML",
    )
    option(
        "--replay",
        action="store_true",
        help="execute every layer and add what was counted; exit with 3 if it differs",
    )
    option("--trace", metavar="FILE", help="write when each block is loaded, computed, stored, CSV")
    option("--gantt", metavar="PICTURE", help="draw that for the first blocks")
    option("--first", type=_whole_to(MAX_EXTENT), metavar="BLOCKS",
           help="only so many blocks of --trace (default: all) and --gantt (40)")  # fmt: skip
    _add_resident(parser)
    _add_widths(parser)
    _add_pass(parser)
    add_output(parser)


def add_train(parser: Parser) -> None:
    """Options of `train`."""
    parser.add_argument("network", metavar="NET", help="shipped name or YAML file")
    option = parser.add_argument
    option(
        "--saved",
        type=_one_of("torch", "vdnn", "ideal"),
        default="torch",
        metavar="torch|vdnn|ideal",
        help="what forward keeps for backward: as PyTorch, as vDNN on cuDNN, or the least "
        "(default: torch)",
    )
    option(
        "--optimizer",
        type=_one_of("none", "sgd", "momentum", "adam"),
        default="sgd",
        metavar="none|sgd|momentum|adam",
        help="what it remembers: nothing, a word (momentum) or two (adam) per parameter "
        "(default: sgd)",
    )
    _add_widths(parser)
    add_output(parser)


def add_sweep(parser: Parser) -> None:
    """Options of `sweep`."""
    parser.add_argument("networks", nargs="*", metavar="NET", help="shipped name or YAML file")
    option = parser.add_argument
    option("--all", action="store_true", help="all shipped networks")
    option("-a", "--accelerator", action="append", default=[], metavar="ACC",
           help="shipped name or YAML file (repeatable)")  # fmt: skip
    option("--sram", metavar="RANGE", help="sizes of one shared SRAM: 16KiB:4MiB:x2, or 64KiB,1MiB")
    option(
        "--set",
        action="append",
        default=[],
        metavar="PATH=RANGE",
        help="any field of the files by its path (repeatable): pe.rows=8:128:x2, "
        "dram.peak_bytes_per_s=1GB/s,2GB/s, input.H=224,448; pe.rows,pe.cols=8:64:x2 sets both",
    )
    for name in ("batch", "input", "bits", "psum-bits"):
        example = "3x224x224,3x1080x1920" if name == "input" else "1,2,4"
        option(f"--{name}", metavar="RANGE", help=f"as for run, several: {example}")
    option("--points", metavar="FILE", help="a YAML file that says all this, under the same names")
    _add_objective(parser)
    option("--layer", action="append", metavar="NAME", help="only this layer or pattern")
    _add_resident(parser)
    option("--store", default="sweep.sqlite", metavar="FILE",
           help="where every point is kept; points that are there are not run again "
           "(default: sweep.sqlite)")  # fmt: skip
    option("--fresh", action="store_true", help="empty that file first")
    option("--jobs", type=_whole_to(1024), metavar="N", help="processes (default: one a core)")
    option("--scheduler", metavar="ADDRESS", help="a Dask scheduler's, tcp://HOST:8786, instead")
    add_output(parser)


def add_results(parser: Parser) -> None:
    """Options of `results`."""
    parser.add_argument("file", metavar="FILE", help="what sweep keeps its points in")
    option = parser.add_argument
    option("--where", action="append", default=[], metavar="COND",
           help="only rows that meet it (repeatable): network=vgg16, "
           "'sram_capacity_bytes<=64KiB'")  # fmt: skip
    option("--layers", action="store_true", help="a row per point and layer, all columns of run")
    option("--layer", action="append", metavar="NAME", help="only this layer or pattern of them")
    option("--failed", action="store_true", help="only points that cannot be run, and why")
    add_output(parser)


def add_panels(parser: Parser) -> None:
    """What a picture of a frontier shows."""
    parser.add_argument("--panels", action="store_true", help="in a picture: a panel per layer")


def add_replay(parser: Parser) -> None:
    """Options of `replay`."""
    add_networks(parser, "*")
    add_search(parser)
    parser.add_argument(
        "--sram",
        type=_typed(parse_bytes),
        metavar="SIZE",
        help="exit with 3 if a layer needs more than this, before anything runs",
    )
    parser.add_argument(
        "--schedule", metavar="FILE", help="execute the schedule in this YAML file instead"
    )
    parser.add_argument(
        "--sample",
        type=_whole_to(MAX_EXTENT),
        metavar="GROUPS",
        help="run only so many groups of each layer, chosen at random; the rows say so",
    )
    add_output(parser)


def add_explain(parser: Parser) -> None:
    """Options of `explain`; as `yaml` it prints the schedule alone, for `replay --schedule`."""
    parser.add_argument("network", metavar="NET", help="shipped name or YAML file")
    parser.add_argument("layer", metavar="LAYER", help="name of one layer")
    add_search(parser)
    parser.add_argument(
        "--sram",
        type=_typed(parse_bytes),
        metavar="SIZE",
        help="the schedule with the least traffic at this size, for instance 64KiB",
    )
    add_output(parser, (*FORMATS, "yaml"))


def add_plot(parser: Parser) -> None:
    """Options of `plot`."""
    parser.add_argument(
        "files", nargs="+", metavar="FILE",
        help="what min-sram, frontier or run wrote, JSON or CSV, or a sweep's file; several: "
        "staircases, overlaid",
    )  # fmt: skip
    parser.add_argument(
        "--kind", type=_one_of(*SWEEP_PICTURES), metavar="|".join(SWEEP_PICTURES),
        help="of a sweep: bandwidth, traffic or cycles against SRAM, a map of two fields, SRAM "
        "against time",
    )  # fmt: skip
    add_panels(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="PICTURE",
        help="PNG, SVG or PDF by its ending (default: FILE's name with .png)",
    )


def add_files(parser: Parser) -> None:
    """Options of `check`."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="network or accelerator")


def add_list(parser: Parser) -> None:
    """Options of `list`."""
    _add_kind(parser)
    add_output(parser)


def add_schema(parser: Parser) -> None:
    """Options of `schema`."""
    _add_kind(parser)
    add_output(parser, ("json",))


def _add_kind(parser: Parser) -> None:
    parser.add_argument(
        "kind",
        nargs="?",
        type=_one_of("networks", "accelerators"),
        default="networks",
        metavar="networks|accelerators",
        help="which files are meant (default: networks)",
    )


def parse_block(text: str) -> dict[str, int]:
    """Extents of a block, `K=16,C=16`."""
    extents: dict[str, int] = {}
    for part in text.split(","):
        dim, _, extent = part.strip().partition("=")
        if dim not in tuple("NKCPQRS") or not extent:
            wrong = f"{quote(part)} is not DIM=EXTENT with one of N K C P Q R S"
            raise ValueError(f"{wrong}; write for instance K=16,C=16")
        if dim in extents:
            raise ValueError(f"{dim} is given twice; keep one")
        try:
            extents[dim] = parse_whole(extent, 1, MAX_EXTENT)
        except ValueError as error:
            raise ValueError(f"{dim}: {error}") from None
    return extents


def parse_input(text: str) -> tuple[int, int, int]:
    """Channels, rows, columns of `3x1080x1920`."""
    parts = text.split("x")
    if len(parts) != 3:
        raise ValueError(f"{quote(text)} is not CxHxW; write for instance 3x1080x1920")
    C, H, W = (parse_whole(part, 1, MAX_EXTENT) for part in parts)
    return C, H, W


def _typed(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """The parser as argparse's type, with its own words kept."""

    def read(text: str) -> Any:
        """The value of an option's text; raises ArgumentTypeError with the parser's words."""
        try:
            return parse(text)
        except ValueError as error:
            raise ArgumentTypeError(str(error)) from None

    return read


def _one_of(*known: str) -> Callable[[str], Any]:
    return _typed(lambda text: parse_choice(text, known))


def _whole_to(most: int) -> Callable[[str], Any]:
    return _typed(lambda text: parse_whole(text, 1, most))
