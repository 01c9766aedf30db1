//! The sandbox seen from outside, through a real HTTP client: what each provider accepts and
//! refuses, faults, the record, and webhooks at a receiver.

mod control;
mod faults;
mod fixture;
mod oidc;
mod openai;
mod openai_sdk;
mod record;
mod senders;
mod service;
mod telegram;
mod twilio;
mod whatsapp;
