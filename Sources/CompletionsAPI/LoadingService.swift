package import HTTPCodec
import HTTPTypes

/// Answers while there is no model yet: the program is alive, and everything else has to wait.
package struct LoadingService: Sendable {
    private let environment: ServiceEnvironment

    package init(environment: ServiceEnvironment) { self.environment = environment }

    package func respond(to request: ServerRequest) -> ServerResponse {
        let response: ServerResponse
        do throws(APIError) { response = try answer(request) } catch { response = error.response }
        return response.named(RequestContext(request, environment))
    }

    private func answer(_ request: ServerRequest) throws(APIError) -> ServerResponse {
        switch try Router.route(method: request.head.method.rawValue, path: request.path) {
        case .live: return .healthy
        default: throw .loading
        }
    }
}
