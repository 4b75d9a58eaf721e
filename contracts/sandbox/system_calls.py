"""System calls that a confined compiler may not make, as a seccomp filter (Linux' seccomp(2), BPF).

What is denied reaches beyond files, which Landlock guards: sockets, other processes, sessions, namespaces, the kernel.
"""

import ctypes
import platform
import struct

EPERM, ENOSYS = 1, 38

REFUSED = "sandbox: "
"""The begin of what is printed where a process cannot be confined."""
REFUSED_CODE = 97
"""The exit code of a process that cannot be confined. No compiler has it."""

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""AUDIT_ARCH of the machines whose numbers are below."""

_DENIED: dict[str, tuple[int, int]] = {
    "socket": (41, 198),
    "io_uring_setup": (425, 425),
    "setsid": (112, 157),
    "setpgid": (109, 154),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
}
"""Name -> its numbers, by the order of ARCHITECTURES. setsid and setpgid: all stay in the group that is killed."""

_CLONE, _CLONE3 = (56, 220), (435, 435)
_NEW_NAMESPACES = 0x7E02_0080
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET and NEWTIME."""
_X32 = 0x4000_0000
"""The bit of x86_64's second numbering."""

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_KILL, _ERROR, _ALLOW = 0x8000_0000, 0x0005_0000, 0x7FFF_0000

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def program(machine: str) -> bytes:
    """The filter's instructions for a machine. Raises OSError for one whose numbers are not known."""
    if machine not in ARCHITECTURES:
        raise OSError(ENOSYS, f"no system call numbers are known for {machine}")
    column = tuple(ARCHITECTURES).index(machine)
    denied = [numbers[column] for numbers in _DENIED.values()]
    checks: list[tuple[int, int]] = [(_EQUAL, number) for number in denied]
    if machine == "x86_64":
        checks.insert(0, (_AT_LEAST, _X32))
    # behind the checks: clone, clone3, then the answers
    tail = (
        _instruction(_EQUAL, _CLONE3[column], 5, 0)
        + _instruction(_EQUAL, _CLONE[column], 0, 2)
        + _instruction(_LOAD, _FIRST_ARGUMENT)
        + _instruction(_ANY_BIT, _NEW_NAMESPACES, 1, 0)
        + _instruction(_RETURN, _ALLOW)
        + _instruction(_RETURN, _ERROR | EPERM)
        + _instruction(_RETURN, _ERROR | ENOSYS)
    )
    to_refusal = len(checks) + 5
    head = (
        _instruction(_LOAD, _ARCHITECTURE)
        + _instruction(_EQUAL, ARCHITECTURES[machine], 1, 0)
        + _instruction(_RETURN, _KILL)
        + _instruction(_LOAD, _NUMBER)
    )
    jumps = (_instruction(code, value, to_refusal - index - 1, 0) for index, (code, value) in enumerate(checks))
    return head + b"".join(jumps) + tail


def deny(libc: ctypes.CDLL) -> None:
    """Apply the filter to this process and its children, for ever. Needs no_new_privs. Raises OSError."""
    code = program(platform.machine())
    buffer = ctypes.create_string_buffer(code, len(code))
    filter_program = _Program(len(code) // 8, ctypes.addressof(buffer))
    if libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(filter_program), 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")
