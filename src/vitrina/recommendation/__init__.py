"""What every recommender shares: histories, splits, filters, ranking, closed-form members, blending, diversity."""
