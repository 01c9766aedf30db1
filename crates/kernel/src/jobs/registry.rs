//! Which handler runs each kind of job, and which kinds of job each event becomes. Filled by the
//! slices when the program starts, fixed from then on.

use std::{collections::HashMap, fmt, future::Future};

use futures_util::future::{BoxFuture, FutureExt, TryFutureExt};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    access::{Access, Actor},
    db::{Db, Tenant},
    error::{Error, Result},
    events::{Event, InboundStored, Subscriptions, inbound},
    id::CorrelationId,
    permission::Permission,
    suspension::Effect,
};

/// For whom a claimed job runs: what its handler's access is minted from.
pub(super) struct Context {
    pub db: Db,
    pub tenant: Tenant,
    pub actor: Actor,
    pub correlation: CorrelationId,
}

/// What became of a job whose handler did not fail.
pub(super) enum Ran {
    Done,
    /// The tenant's standing holds what the job does.
    Held,
}

pub(super) type Handler = dyn Fn(Context, Value) -> BoxFuture<'static, Result<Ran>> + Send + Sync;

/// The handlers of a program. A handler gets an [`Access`] with the permission in its signature,
/// for the job's tenant and in the name of whoever enqueued it. It may run more than once for one
/// job, so what it does must be safe to do again.
#[derive(Default)]
pub struct Registry {
    handlers: HashMap<&'static str, Box<Handler>>,
    subscriptions: Subscriptions,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registry")
            .field(&self.handlers.keys())
            .finish()
    }
}

impl Registry {
    pub fn new() -> Self {
        Self::default()
    }

    /// Handles each event `E` as a job of this kind.
    ///
    /// # Panics
    /// When the kind has a handler already: job kinds are distinct across the program.
    pub fn subscribe<E, P, F, Fut>(&mut self, kind: &'static str, handler: F)
    where
        E: Event,
        P: Permission,
        F: Fn(Access<P>, E) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.subscriptions.add(E::NAME.to_owned(), kind);
        self.job(kind, handler);
    }

    /// Handles each stored webhook of a provider as a job of this kind.
    ///
    /// # Panics
    /// When the kind has a handler already.
    pub fn subscribe_inbound<P, F, Fut>(&mut self, provider: &str, kind: &'static str, handler: F)
    where
        P: Permission,
        F: Fn(Access<P>, InboundStored) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.subscriptions.add(inbound(provider), kind);
        self.job(kind, handler);
    }

    /// Handles jobs of this kind that no event makes: scheduled ones and maintenance.
    ///
    /// # Panics
    /// When the kind has a handler already.
    pub fn job<T, P, F, Fut>(&mut self, kind: &'static str, handler: F)
    where
        T: DeserializeOwned + Send,
        P: Permission,
        F: Fn(Access<P>, T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        let run = move |context: Context, payload: Value| {
            match context.tenant.effects().on_job(P::NAME) {
                Effect::Allow => {}
                Effect::Hold => return std::future::ready(Ok(Ran::Held)).boxed(),
                Effect::Refuse => {
                    let status = context.tenant.status.as_str();
                    return std::future::ready(Err(Error::TenantInactive { status })).boxed();
                }
            }
            let access = Access::mint(
                &context.db,
                context.tenant,
                context.actor,
                context.correlation,
            );
            match serde_json::from_value(payload) {
                Ok(payload) => handler(access, payload).map_ok(|()| Ran::Done).boxed(),
                // The parser's own words may quote the payload, so they go no further.
                Err(_) => std::future::ready(Err(Error::invalid(
                    "the payload is not of the form that this kind of job takes",
                )))
                .boxed(),
            }
        };
        let before = self.handlers.insert(kind, Box::new(run));
        assert!(before.is_none(), "two handlers for jobs of kind {kind:?}");
    }

    /// What [`Db::subscribe`] installs.
    pub fn subscriptions(&self) -> Subscriptions {
        self.subscriptions.clone()
    }

    pub(super) fn handler(&self, kind: &str) -> Option<&Handler> {
        self.handlers.get(kind).map(Box::as_ref)
    }
}
