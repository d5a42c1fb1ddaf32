//! Step Functions: executions are started by name, resumed by a task token, and stopped.

use aws_config::SdkConfig;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_sfn::types::ExecutionStatus;
use domain::ports::{ExecutionStart, Executions, PortError, Resumption};
use domain::run::Run;
use domain::time::Time;
use runtime::{BadSetting, setting};
use serde_json::json;

/// Starts, resumes and stops executions of the two state machines.
#[derive(Debug, Clone)]
pub struct StepFunctions {
    client: Client,
    run_machine: String,
    resume_machine: String,
}

impl StepFunctions {
    /// Returns the state machines with these ARNs: segments of `run_machine` begin at once, segments of `resume_machine` begin with a pause.
    pub fn new(config: &SdkConfig, run_machine: impl Into<String>, resume_machine: impl Into<String>) -> Self {
        Self { client: Client::new(config), run_machine: run_machine.into(), resume_machine: resume_machine.into() }
    }

    /// Returns the state machines that the environment variables `RUN_STATE_MACHINE_ARN` and `RESUME_STATE_MACHINE_ARN` name.
    pub fn from_env(config: &SdkConfig) -> Result<Self, BadSetting> {
        Ok(Self::new(config, setting("RUN_STATE_MACHINE_ARN")?, setting("RESUME_STATE_MACHINE_ARN")?))
    }

    fn machine_of(&self, run: &Run) -> &str {
        if run.execution.parked_until.is_some() { &self.resume_machine } else { &self.run_machine }
    }

    /// Returns the ARN of the execution of the run's current segment.
    fn execution_arn(machine: &str, run: &Run) -> String {
        format!("{}:{}", machine.replacen(":stateMachine:", ":execution:", 1), run.execution_name())
    }
}

impl Executions for StepFunctions {
    async fn start(&self, run: &Run, now: Time) -> Result<ExecutionStart, PortError> {
        // TimeoutSeconds of Step Functions begins at 1.
        let wait_seconds = run.execution.parked_until.map(|until| now.seconds_until(until).max(1));
        let input = match wait_seconds {
            Some(seconds) => json!({"runId": run.id, "waitSeconds": seconds}),
            None => json!({"runId": run.id}),
        };
        let request = self.client.start_execution().state_machine_arn(self.machine_of(run)).name(run.execution_name());
        match request.input(input.to_string()).send().await {
            Ok(_) => Ok(ExecutionStart::Started),
            // The name identifies the segment and the run: an execution that exists is the right one. AWS reports one that is running
            // only if its input differs, as `waitSeconds` does in most cases.
            Err(error) if code_of(&error) == Some("ExecutionAlreadyExists") => Ok(ExecutionStart::NameTaken),
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn is_over(&self, run: &Run) -> Result<bool, PortError> {
        let execution = Self::execution_arn(self.machine_of(run), run);
        match self.client.describe_execution().execution_arn(execution).send().await {
            Ok(found) => Ok(!matches!(found.status(), ExecutionStatus::Running | ExecutionStatus::PendingRedrive)),
            Err(error) if code_of(&error) == Some("ExecutionDoesNotExist") => Ok(false),
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn resume(&self, token: &str) -> Result<Resumption, PortError> {
        match self.client.send_task_success().task_token(token).output("{}").send().await {
            Ok(_) => Ok(Resumption::Resumed),
            // The token was sent before, or the pause is over, or the execution does not exist any more.
            Err(error) if matches!(code_of(&error), Some("TaskTimedOut" | "InvalidToken" | "TaskDoesNotExist")) => {
                tracing::info!(code = code_of(&error), "the task token of a segment is not valid any more");
                Ok(Resumption::TokenGone)
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn stop(&self, run: &Run) -> Result<(), PortError> {
        // The run no longer says whether the segment began with a pause. Stopping an execution that does not exist is not an error.
        for machine in [&self.run_machine, &self.resume_machine] {
            let request = self
                .client
                .stop_execution()
                .execution_arn(Self::execution_arn(machine, run))
                .error("Cancelled")
                .cause("the run was cancelled");
            match request.send().await {
                Err(error) if code_of(&error) != Some("ExecutionDoesNotExist") => return Err(unavailable(error)),
                _ => {}
            }
        }
        Ok(())
    }
}

fn code_of<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Option<&str> {
    error.as_service_error().and_then(ProvideErrorMetadata::code)
}

fn unavailable<E: std::error::Error + 'static, R: std::fmt::Debug>(error: SdkError<E, R>) -> PortError {
    PortError::Unavailable(DisplayErrorContext(error).to_string())
}
