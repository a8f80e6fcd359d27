"""The loop: pick a coordinator, try, classify the failure, go on elsewhere; outcomes."""
