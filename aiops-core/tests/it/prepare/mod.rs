mod deduplicate;
mod limit;
mod resample;
mod rules;
mod sketch;
mod units;
mod windows;
