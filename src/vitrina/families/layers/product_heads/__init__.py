"""What a model says of a product or a review, head by head: targets, losses, calibration, answers, measures."""
