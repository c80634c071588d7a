"""Speed, shown as ratios and percentiles measured in one run. Not part of the package."""
