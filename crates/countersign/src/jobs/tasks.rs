//! Tasks that never end by themselves: when one does, the process is to know.

use std::collections::HashMap;

use tokio::task::{Id, JoinSet};

/// What runs beside the requests of a node that serves.
#[derive(Default)]
pub(super) struct Tasks {
    running: JoinSet<()>,
    /// What is wrong when a task has ended.
    failures: HashMap<Id, &'static str>,
}

impl Tasks {
    /// Runs a task. `failure` says what is wrong when it ends.
    pub(super) fn add(&mut self, failure: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let id = self.running.spawn(task).id();
        self.failures.insert(id, failure);
    }

    /// Waits until one of them ends; says what is wrong then.
    pub(super) async fn ended(&mut self) -> String {
        let Some(ended) = self.running.join_next_with_id().await else { return std::future::pending().await };
        let (id, how) = match ended {
            Ok((id, ())) => (id, "it ended".to_owned()),
            Err(error) => (error.id(), error.to_string()),
        };
        let failure = self.failures.get(&id).copied().unwrap_or_default();
        format!("{failure} any more: {how}")
    }

    /// Ends them.
    pub(super) async fn stop(&mut self) {
        self.running.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ended(task: impl Future<Output = ()> + Send + 'static) -> String {
        let mut tasks = Tasks::default();
        tasks.add("clocks are not wound", std::future::pending());
        tasks.add("bells are not rung", task);
        tasks.ended().await
    }

    #[tokio::test]
    async fn a_task_that_panics_or_ends_is_noticed_by_its_name() {
        assert_eq!(ended(async {}).await, "bells are not rung any more: it ended");
        let panicked = ended(async { panic!("no rope") }).await;
        assert!(panicked.starts_with("bells are not rung any more: ") && panicked.contains("no rope"), "{panicked}");
    }
}
