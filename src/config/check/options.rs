//! Options of a run.

use super::Checker;
use crate::config::resolved::ResolvedOptions;
use crate::config::settings::Threads;
use crate::config::spec::{KeepSpec, OnRuleErrorSpec};
use crate::config::tree::path;
use crate::diagnostic::{Code, Problem};
use crate::threads;

/// The memory for records unless the file says otherwise: 4 GiB.
const DEFAULT_MEMORY_LIMIT: u64 = 4 << 30;

/// Below this, a run would write more temporary files than records: 1 MiB.
const LEAST_MEMORY_LIMIT: u64 = 1 << 20;

impl Checker<'_> {
    pub(super) fn options(&mut self) -> ResolvedOptions {
        let spec = self.spec.options.clone().unwrap_or_default();
        let memory_limit = spec.memory_limit.map_or(DEFAULT_MEMORY_LIMIT, |limit| limit.0.0);
        if memory_limit < LEAST_MEMORY_LIMIT {
            let message = format!("a memory limit of {memory_limit} bytes is too small");
            let problem = Problem::new(Code::MemoryLimit, message);
            let help = "1MiB is the least; a number without a unit is in bytes";
            self.complain(&path(["options", "memory_limit"]), problem.help(help));
        }
        if let Some(Threads::Count(count)) = spec.threads.as_ref().map(|threads| threads.0)
            && count.get() > threads::MOST
        {
            let message =
                format!("{count} threads are more than the {} that a run may have", threads::MOST);
            let problem = Problem::new(Code::Threads, message);
            let help = "`auto` is one for each core; more than that rarely helps";
            self.complain(&path(["options", "threads"]), problem.help(help));
        }
        ResolvedOptions {
            keep_all: spec.keep.unwrap_or_default() == KeepSpec::All,
            threads: match spec.threads.map(|threads| threads.0).unwrap_or_default() {
                Threads::Auto => None,
                Threads::Count(count) => Some(count),
            },
            memory_limit,
            temp_dir: spec.temp_dir.map(|folder| self.base.join(folder)),
            max_rejected: spec.max_rejected.map(|limit| limit.0),
            on_rule_error_stop: spec.on_rule_error.unwrap_or_default() == OnRuleErrorSpec::Stop,
        }
    }
}
