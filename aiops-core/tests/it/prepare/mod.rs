mod limit;
mod resample;
mod sketch;
mod windows;
