"""Hooks that watch every function: time, values, a timeline."""

from kusari.function_hooks.debug_print import PrintHook as PrintHook
from kusari.function_hooks.timer import TimerHook as TimerHook
from kusari.function_hooks.trace import TraceHook as TraceHook
