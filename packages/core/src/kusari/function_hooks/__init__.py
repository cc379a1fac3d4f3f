"""Hooks that watch every function: time, memory, values, a timeline."""

from kusari.function_hooks.cuda_profile import CUDAProfileHook as CUDAProfileHook
from kusari.function_hooks.cupy_memory_profile import CupyMemoryProfileHook as CupyMemoryProfileHook
from kusari.function_hooks.debug_print import PrintHook as PrintHook
from kusari.function_hooks.timer import TimerHook as TimerHook
from kusari.function_hooks.trace import TraceHook as TraceHook
