//! The level of x86-64 that this processor and its operating system have; elsewhere there is one level alone.

const builtin = @import("builtin");

pub const Level = enum { baseline, v3, v4 };

const Leaf = struct { eax: u32, ebx: u32, ecx: u32, edx: u32 };

fn cpuid(leaf: u32, subleaf: u32) Leaf {
    var eax: u32 = undefined;
    var ebx: u32 = undefined;
    var ecx: u32 = undefined;
    var edx: u32 = undefined;
    asm volatile ("cpuid"
        : [eax] "={eax}" (eax),
          [ebx] "={ebx}" (ebx),
          [ecx] "={ecx}" (ecx),
          [edx] "={edx}" (edx),
        : [leaf] "{eax}" (leaf),
          [subleaf] "{ecx}" (subleaf),
    );
    return .{ .eax = eax, .ebx = ebx, .ecx = ecx, .edx = edx };
}

/// Which registers the operating system keeps for a thread (extended control register 0).
fn kept_registers() u32 {
    return asm volatile ("xgetbv"
        : [low] "={eax}" (-> u32),
        : [register] "{ecx}" (@as(u32, 0)),
        : .{ .edx = true });
}

fn has(register: u32, wanted: u32) bool {
    return register & wanted == wanted;
}

/// The highest level whose kernels may run.
pub fn level() Level {
    if (builtin.cpu.arch != .x86_64) return .baseline;
    if (cpuid(0, 0).eax < 7 or !has(cpuid(1, 0).ecx, 1 << 27)) return .baseline; // OSXSAVE
    const kept = kept_registers();
    const features = cpuid(7, 0).ebx;
    const v3 = 1 << 3 | 1 << 5 | 1 << 8; // BMI1, AVX2, BMI2
    if (!has(kept, 0x06) or !has(features, v3)) return .baseline;
    const v4 = 1 << 16 | 1 << 17 | 1 << 28 | 1 << 30 | 1 << 31; // AVX512F, DQ, CD, BW, VL
    return if (has(kept, 0xe6) and has(features, v4)) .v4 else .v3;
}
