"""Options that more than one command of the command line takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer


def flag(help_text: str, *names: str) -> Any:
    """Return an option whose help names its default in brackets."""
    text = help_text.replace("[", "\\[")  # else rich takes a default in brackets for markup
    return typer.Option(*names, help=text, show_default=False)


Data = Annotated[Optional[str], flag("Data set (see `edgelearn data list`) or a .csv or .npz file [digits].")]
LabelColumn = Annotated[Optional[str], flag("Label column of a .csv file, by name or counted from 1 [last].")]
Classes = Annotated[Optional[str], flag("Keep these classes only, by name, e.g. 3,8.")]
Limit = Annotated[Optional[int], flag("Train on the first N samples only, 1 or more.")]
TestFraction = Annotated[Optional[float], flag("Test part of your own file [0.2].")]
ValidationFraction = Annotated[
    Optional[float], flag("Hold out this share of the training samples and test on them, not on the test part [none].")
]
Net = Annotated[Optional[str], flag("Layer sizes, e.g. 784-500-10 [one hidden layer of 100].")]
Bits = Annotated[Optional[int], flag("View bits of a weight, 2 to 16 [8].")]
ResidualBits = Annotated[Optional[int], flag("Bits under the view, 0 to 8 [as many as fit with residual].")]
Rounding = Annotated[Optional[str], flag("residual, stochastic or nearest [residual].")]
InputBits = Annotated[Optional[int], flag("Bits of an input level, 1 to 8 [4].")]
Feedback = Annotated[Optional[str], flag("Feedback weights: int8, ternary, sign or lfsr [int8].")]
Spiking = Annotated[bool, flag("A spiking network in place of a rate network.", "--spiking")]
Neuron = Annotated[Optional[str], flag("lif, if, cuba or alif [lif].")]
Reset = Annotated[
    Optional[str], flag("Subtract the threshold from a membrane that spikes, or set it to zero [subtract].")
]
Threshold = Annotated[Optional[int], flag("Of hidden neurons, 1 to 32767 [by rule].")]
Leak = Annotated[Optional[int], flag("Time constant of membranes: 2^N steps, 0 to 15 [4].")]
Refractory = Annotated[Optional[int], flag("Refractory steps of hidden neurons [1].")]
GateOn = Annotated[Optional[str], flag("Plasticity is gated on the filtered current or the membrane [current].")]
Delay = Annotated[Optional[int], flag("Steps of a spike to the next population, 1 to 64 [1].")]
HiddenShift = Annotated[Optional[int], flag("Hidden weights learn x m / 2^N [by rule and bits].")]
OutputShift = Annotated[Optional[int], flag("Output weights learn x m / 2^N [by rule and bits].")]
Code = Annotated[Optional[str], flag("rate, latency, or delta of a window [rate; address events come as they are].")]
Steps = Annotated[Optional[int], flag("Time steps of a sample [32; 30 of events; a window with delta].")]
StepTime = Annotated[Optional[str], flag("Time of a step, of address events [10 ms].")]
FirstLabel = Annotated[Optional[int], flag("Step of a sample at which its label first comes [by rule and code].")]
LabelPeriod = Annotated[Optional[int], flag("Steps from label to label [by rule and code].")]
Window = Annotated[Optional[int], flag("Cut a sensor stream into windows of N samples.")]
Stride = Annotated[Optional[int], flag("Samples from window to window [a window].")]
Delta = Annotated[Optional[int], flag("Change that delta sends, in 1/16 of a channel's mean deviation [8].")]
Start = Annotated[Optional[str], flag("Start from a NIR graph: a .nir file.")]
Rule = Annotated[Optional[str], flag("Learning rule (see `edgelearn rules`) [drtp].")]
Activation = Annotated[Optional[str], flag("tanh, hard-tanh, quadratic-tanh, relu or leaky [tanh].")]
Output = Annotated[Optional[str], flag("sigmoid or softmax [sigmoid].")]
HiddenRate = Annotated[Optional[int], flag("Learning rate of hidden layers, exponent of two, -20 to 0 [by rule].")]
OutputRate = Annotated[Optional[int], flag("Learning rate of the output layer, exponent of two, -20 to 0 [by rule].")]
RangeExponent = Annotated[Optional[int], flag("Weights cover +-2^E, E from -8 to 8 [by bits].")]
EventThreshold = Annotated[Optional[int], flag("Activations of at most this size, 0 to 126, are no events [0].")]
DeadZone = Annotated[Optional[int], flag("Output errors of at most this size, 0 to 254 of 255, are zero [0].")]
AccumulatorBits = Annotated[Optional[int], flag("Width of accumulators, 8 to 32 [32].")]
UpdateGate = Annotated[Optional[str], flag("Learn always, on error, or within a margin [always].")]
Margin = Annotated[
    Optional[int], flag("With --update-gate margin: lead of the right output that is enough, in 1/16 [32].")
]
Strict = Annotated[
    Optional[bool], flag("Stop when an accumulator overflows or a weight saturates.", "--strict/--no-strict")
]
Processor = Annotated[Optional[str], flag("Price on this processor, by name or .toml file [engine-28nm].")]
HalveEvery = Annotated[Optional[int], flag("Halve the rates after every N epochs [never].")]
Epochs = Annotated[Optional[int], flag("Passes over the training samples [10].")]
Seed = Annotated[Optional[int], flag("Seed of weights, feedback, order and rounding [0].")]
Config = Annotated[Optional[Path], flag("TOML file of settings; flags win over it.")]
Out = Annotated[Optional[Path], flag("Folder for report.json, config.toml, weights.npz.")]
Resume = Annotated[bool, flag("Continue the interrupted run in --out.", "--resume")]
Overwrite = Annotated[bool, flag("Replace another run in --out.", "--overwrite")]
ReportAsJson = Annotated[bool, flag("Print the report as JSON.", "--json")]
AsJson = Annotated[bool, flag("Print as JSON.", "--json")]
