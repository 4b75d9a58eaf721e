//! What the WebAssembly frames of a run share: prices and limits, open pages, stack words, and the programs in use.

const std = @import("std");
const codes = @import("code.zig");
const host = @import("host.zig");
const Error = @import("errors.zig").Error;
const Prices = @import("wasm_frame.zig").Prices;
const State = @import("state.zig").State;

const Allocator = std.mem.Allocator;

/// Prices and limits as chain/zvm/host/core_programs.py packs them. Gas, but for `prices` and `growth_of_none`: ink.
pub const Terms = extern struct {
    prices: Prices,
    growth_of_none: u64,
    /// Bytes of call data at most.
    data_bytes: u64,
    /// Stack words of one frame, and of all open ones.
    frame_words: u64,
    transaction_words: u64,
    /// PageModel of chain/zvm/price_table.py.
    instance_pages: u64,
    free_pages: u64,
    page_gas: u64,
    table_elements: u64,
    /// Native stack that has to be left for a frame.
    stack_bytes: u64,
    /// Ink that heats a program as much as a run.
    ink_per_heat: u64,
    /// Ink for which a run may work that others wait for, and pages of memory that each of its instances may begin with;
    /// 0 of a run that need not be brief.
    brief_ink: u64,
    brief_pages: u64,
};

/// A program that the run has met. open: frames that run it.
pub const Kept = struct { code: *const codes.Code, program: host.Program, open: u32 = 0, used: u64 = 0 };

/// Programs that are kept while no frame runs them: a run that meets more asks again.
const most_idle = 16;
const most_text = 160;

/// Questions to the state in a brief run between two looks at the clock.
const questions_between_looks = 4;

pub const OutOfPages = error{OutOfPages};

pub const Shared = struct {
    terms: ?Terms = null,
    /// Gas that so many pages ever open have cost together, by their number.
    curve: []align(1) const u64 = &.{},
    stack_low: usize = 0,
    has_deadline: bool = false,
    programs: std.ArrayList(*Kept) = .empty,
    uses: u64 = 0,
    open_pages: u64 = 0,
    ever_pages: u64 = 0,
    stack_words: u64 = 0,
    /// Ink for which a brief run may still work.
    work: u64 = 0,
    questions: u64 = 0,
    /// Of the last fault.
    text: [most_text]u8 = undefined,
    text_size: usize = 0,

    /// Nothing is open at the start of a run.
    pub fn begin(self: *Shared) void {
        self.open_pages = 0;
        self.ever_pages = 0;
        if (self.terms) |*terms| self.begin_with(terms);
    }

    fn begin_with(self: *Shared, terms: *const Terms) void {
        self.stack_words = terms.transaction_words;
        self.work = terms.brief_ink;
    }

    /// Ahead of what may wait for a medium, in a brief run.
    pub fn look(self: *Shared, from: host.Host) Error!void {
        self.questions += 1;
        if (self.questions % questions_between_looks == 0) try from.table.look(from.context);
    }

    /// The programs are dropped before.
    pub fn deinit(self: *Shared, memory: Allocator) void {
        for (self.programs.items) |kept| memory.destroy(kept);
        self.programs.deinit(memory);
    }

    /// Ask how the chain runs WebAssembly, once.
    pub fn learn(self: *Shared, from: host.Host) Error!*const Terms {
        if (self.terms) |*terms| return terms;
        const told = try from.table.terms(from.context);
        const size = @sizeOf(Terms);
        if (told.packed_terms.len < size + @sizeOf(u64)) return error.Refused;
        if ((told.packed_terms.len - size) % @sizeOf(u64) != 0) return error.Refused;
        self.curve = std.mem.bytesAsSlice(u64, told.packed_terms[size..]);
        self.stack_low = told.stack_low;
        self.has_deadline = told.has_deadline;
        self.terms = std.mem.bytesToValue(Terms, told.packed_terms[0..size]);
        self.begin_with(&self.terms.?);
        return &self.terms.?;
    }

    /// The program of an account's code, which a frame is about to run.
    pub fn open(self: *Shared, memory: Allocator, state: *State, address: *const host.Address, code: *const codes.Code) Error!*Kept {
        self.uses += 1;
        const kept = for (self.programs.items) |known| {
            if (known.code == code) break known;
        } else try self.ask(memory, state, address, code);
        kept.used = self.uses;
        kept.open += 1;
        return kept;
    }

    fn ask(self: *Shared, memory: Allocator, state: *State, address: *const host.Address, code: *const codes.Code) Error!*Kept {
        const from = state.host;
        const code_hash = try state.code_hash(try state.at(address));
        if (self.programs.items.len >= most_idle) self.drop_idle(memory, from);
        try self.programs.ensureUnusedCapacity(memory, 1);
        const kept = try memory.create(Kept);
        errdefer memory.destroy(kept);
        kept.* = .{ .code = code, .program = try from.table.program(from.context, address, &code_hash) };
        self.programs.appendAssumeCapacity(kept);
        return kept;
    }

    /// Drop the program that was used longest ago, if there is one that no frame runs.
    fn drop_idle(self: *Shared, memory: Allocator, from: host.Host) void {
        var found: ?usize = null;
        for (self.programs.items, 0..) |kept, place| {
            if (kept.open > 0) continue;
            if (found == null or kept.used < self.programs.items[found.?].used) found = place;
        }
        const kept = self.programs.swapRemove(found orelse return);
        from.table.drop_program(from.context, &kept.program);
        memory.destroy(kept);
    }

    /// Drop all programs, at the end of a run.
    pub fn drop_all(self: *Shared, from: host.Host) void {
        for (self.programs.items) |kept| from.table.drop_program(from.context, &kept.program);
    }

    /// Open pages in an instance that has some: their price in gas. Where the chain does not allow it, `text` says why.
    pub fn grow(self: *Shared, added: u64, instance_pages: u64) OutOfPages!u64 {
        const terms = &self.terms.?;
        const wanted = instance_pages + added;
        if (wanted > terms.instance_pages) {
            return self.refuse("{d} pages in one instance, the limit is {d}", .{ wanted, terms.instance_pages });
        }
        const total = self.open_pages + added;
        const most = self.curve.len - 1;
        if (total > most) return self.refuse("{d} pages open in the transaction, the limit is {d}", .{ total, most });
        const linear = (total -| @max(terms.free_pages, self.open_pages)) * terms.page_gas;
        const ever = @max(total, self.ever_pages);
        const gas = linear + self.curve[ever] - self.curve[self.ever_pages];
        self.open_pages = total;
        self.ever_pages = ever;
        return gas;
    }

    fn refuse(self: *Shared, comptime format: []const u8, arguments: anytype) OutOfPages {
        self.describe("out of wasm memory: " ++ format, arguments);
        return error.OutOfPages;
    }

    /// Set the text of a fault.
    pub fn describe(self: *Shared, comptime format: []const u8, arguments: anytype) void {
        const written = std.fmt.bufPrint(&self.text, format, arguments) catch self.text[0..];
        self.text_size = written.len;
    }

    /// The text of the last fault.
    pub fn said(self: *const Shared) []const u8 {
        return self.text[0..self.text_size];
    }
};
