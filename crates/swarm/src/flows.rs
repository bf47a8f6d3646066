//! The TCP-like flows of an engine.

use crate::engine::{Engine, Timer};
use crate::figures::FlowFigures;
use crate::message::{AddFlow, CommandError, ErrorCode, FlowId};
use crate::random::Random;
use crate::tcp_flow::TcpFlow;
use wire::time::Time;

const MAX_FLOWS: usize = 1_000;
// Identifiers of the random number streams.
const FLOW_PATH: u64 = 5;
const FLOW_SIZES: u64 = 6;

impl Engine {
    /// Add a flow.
    pub(crate) fn add_flow(&mut self, request: AddFlow) -> Result<(), CommandError> {
        let id = request.flow;
        if request.network.rate_bps.is_none() {
            let message = format!("flow {id} without the rate of a bottleneck");
            return Err(CommandError::new(ErrorCode::Invalid, message));
        }
        if self.flows.len() >= MAX_FLOWS {
            let message = format!("more than {MAX_FLOWS} flows");
            return Err(CommandError::new(ErrorCode::Invalid, message));
        }
        if self.flows.contains_key(&id) {
            let message = format!("flow {id} exists");
            return Err(CommandError::new(ErrorCode::Duplicate, message));
        }
        let random = |purpose| Random::new(self.config.seed, &[purpose, u64::from(id)]);
        let flow = TcpFlow::new(request, random(FLOW_PATH), random(FLOW_SIZES));
        self.arm_flow(id, &flow);
        self.flows.insert(id, flow);
        Ok(())
    }

    pub(crate) fn on_flow_timer(&mut self, now: Time, id: FlowId) {
        let Some(mut flow) = self.flows.remove(&id) else {
            return;
        };
        flow.handle_timeout(now, &mut self.bottlenecks);
        self.arm_flow(id, &flow);
        self.flows.insert(id, flow);
    }

    /// Return the figures of all flows.
    pub(crate) fn flow_figures(&self) -> Vec<FlowFigures> {
        let mut flows: Vec<FlowFigures> = self.flows.iter().map(figures).collect();
        flows.sort_by_key(|flow| flow.flow);
        flows
    }

    fn arm_flow(&mut self, id: FlowId, flow: &TcpFlow) {
        if let Some(due) = flow.poll_timeout() {
            self.wheel.set(due, Timer::Flow(id));
        }
    }
}

fn figures((id, flow): (&FlowId, &TcpFlow)) -> FlowFigures {
    let (path, own) = (flow.link().counters(), flow.counters());
    FlowFigures {
        flow: *id,
        bottleneck: flow.link().bottleneck(),
        segments: path.datagrams,
        queue_drops: path.queue_drops,
        losses: path.losses,
        bytes_delivered: path.bytes_delivered,
        queue_wait: flow.link().queue_wait().clone(),
        transfers: own.transfers,
        reductions: own.reductions,
        timeouts: own.timeouts,
    }
}
