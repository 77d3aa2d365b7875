"""From a shop's files or a published set to canonical, checked, split tables; and the sample store."""
