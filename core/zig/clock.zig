//! Looks at the time within work that lasts long on its own.

const Error = @import("errors.zig").Error;
const Host = @import("host.zig").Host;

pub const Clock = struct {
    /// Null where nobody waits.
    host: ?Host,
    /// Units of the work, whatever they are, between two looks.
    units_between_looks: usize,
    units: usize = 0,

    /// Ahead of so many units.
    pub fn spend(self: *Clock, units: usize) Error!void {
        self.units += units;
        if (self.units < self.units_between_looks) return;
        self.units = 0;
        const host = self.host orelse return;
        try host.table.look(host.context);
    }
};
