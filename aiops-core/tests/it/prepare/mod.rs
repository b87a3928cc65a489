mod limit;
mod resample;
