"""KFP components: one thin shell a job. The logic is in `vitrina.jobs`."""
