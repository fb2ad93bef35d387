//! The engine as a whole: streaming equals batch, through crashes, rescaling, late rows and spill.

mod changelog;
mod fresh;
mod late;
mod nexmark;
mod savepoints;
mod shop;
mod sim;
mod simulation;
mod spill;
mod tail;
