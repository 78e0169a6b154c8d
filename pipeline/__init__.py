"""The verbs that Jenkins calls, one a stage; docs/pipeline.md says what each promises."""
