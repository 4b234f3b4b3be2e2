package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"
)

// tracing exports spans of requests and statements. The zero value exports none.
type tracing struct {
	provider trace.TracerProvider // nil if there is none
	queries  pgx.QueryTracer      // nil if there is none
	stop     func()
}

// flushTime is how long to wait for the last spans to be sent.
const flushTime = 3 * time.Second

// newTracing configures tracing from the OTEL_ variables, and does nothing without them. Spans are sent by OTLP over
// HTTP, the only exporter compiled in.
func newTracing(ctx context.Context) (tracing, error) {
	none := tracing{stop: func() {}}
	exporter := os.Getenv("OTEL_TRACES_EXPORTER")
	endpoint := firstOf("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
	if os.Getenv("OTEL_SDK_DISABLED") == "true" || exporter == "none" || exporter == "" && endpoint == "" {
		return none, nil
	}
	if exporter != "" && exporter != "otlp" {
		return none, usageError{fmt.Errorf("OTEL_TRACES_EXPORTER is %q: choose otlp or none", exporter)}
	}
	protocol := firstOf("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
	if protocol != "" && protocol != "http/protobuf" {
		return none, usageError{fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL is %q: only http/protobuf is supported", protocol)}
	}
	spans, err := otlptracehttp.New(ctx)
	if err != nil {
		return none, fmt.Errorf("set up OTLP: %w", err)
	}
	about, err := resource.New(ctx,
		resource.WithAttributes(semconv.ServiceName("alsobought"), semconv.ServiceVersion(version)),
		resource.WithTelemetrySDK(), resource.WithFromEnv()) // OTEL_SERVICE_NAME takes precedence
	if err != nil {
		return none, usageError{fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)}
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans), sdktrace.WithResource(about))
	return tracing{
		provider: provider,
		queries:  otelpgx.NewTracer(otelpgx.WithTracerProvider(provider)),
		stop: func() {
			flushCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
			defer cancel()
			_ = provider.Shutdown(flushCtx) // undelivered spans are not a reason to fail
		},
	}, nil
}

func firstOf(names ...string) string {
	for _, name := range names {
		if value := os.Getenv(name); value != "" {
			return value
		}
	}
	return ""
}
